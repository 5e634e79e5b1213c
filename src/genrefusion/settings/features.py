"""Every setting of the features that are read of the audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.checks import check_choice, check_range


@dataclass
class FeatureSettings:
    """What all features answer.

    Attributes
    ----------
    of_audio : bool
        Whether anything is read of the audio.
    """

    name: str = MISSING
    of_audio: ClassVar[bool] = True

    @property
    def ready_file(self) -> str | None:
        """File that holds them ready; None where they are computed from the audio."""
        return None


@dataclass
class MelFeatures(FeatureSettings):
    """Log mel-spectrograms and the frames that are cut from them."""

    name: str = "mel"
    sample_rate: int = 12000
    n_fft: int = 512
    hop: int = 256
    n_mels: int = 96
    frame_seconds: float = 29.12
    frame_hop_seconds: float | None = None  # null: frames side by side
    trim: float = 0.0  # seconds left out at both ends of a song

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_range("features.frame_seconds", self.frame_seconds, 0.5, 600)
        check_range("features.trim", self.trim, 0, 300)
        if self.frame_hop_seconds is not None:
            check_range("features.frame_hop_seconds", self.frame_hop_seconds, 0.1, 600)


@dataclass
class HandcraftedFeatures(FeatureSettings):
    """Time- and frequency-domain features of the audio."""

    name: str = "handcrafted"
    kind: str = "published"  # published (97) | time (9 of them) | frequency (88 of them) | wide (1,123)
    segment_seconds: float | None = None  # null: one vector for the whole song

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("features.kind", self.kind, ("published", "time", "frequency", "wide"))
        if self.segment_seconds is not None:
            check_range("features.segment_seconds", self.segment_seconds, 0.5, 600)


@dataclass
class TableFeatures(FeatureSettings):
    """Features that someone computed before: one row a track."""

    name: str = "table"
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing table."""
        if not self.path:
            raise UserError(
                "features=table needs features.path: a CSV file with a column track_id (or filename) and numbers."
            )

    @property
    def ready_file(self) -> str | None:
        """The table."""
        return self.path


@dataclass
class PrecomputedFeatures(FeatureSettings):
    """A sequence of vectors for each track, from any encoder."""

    name: str = "precomputed"
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing file."""
        if not self.path:
            raise UserError(
                "features=precomputed needs features.path: an .npz file with the arrays track_id (n,), frames (m, d)\n"
                "and offsets (n + 1,); the sequence of track i is frames[offsets[i]:offsets[i + 1]]."
            )

    @property
    def ready_file(self) -> str | None:
        """The sequences."""
        return self.path


@dataclass
class AudioEncoderFeatures(FeatureSettings):
    """Vectors of a frozen audio encoder from Hugging Face, one for each window of a song."""

    name: str = "audio_encoder"
    model: str | None = None  # a Hugging Face name (AST, CLAP, wav2vec 2, MERT, HuBERT …) or a folder
    window_seconds: float = 5.0
    hop_seconds: float = 5.0

    def __post_init__(self) -> None:
        """Refuse a missing model."""
        if not self.model:
            raise UserError(
                "features=audio_encoder needs features.model: a Hugging Face name such as\n"
                "MIT/ast-finetuned-audioset-10-10-0.4593 or m-a-p/MERT-v1-95M, or a folder with model.safetensors."
            )
        check_range("features.window_seconds", self.window_seconds, 0.1, 60)
        check_range("features.hop_seconds", self.hop_seconds, 0.1, 60)


@dataclass
class NoFeatures(FeatureSettings):
    """Nothing of the audio: for pipelines that read lyrics alone."""

    name: str = "none"
    of_audio: ClassVar[bool] = False
