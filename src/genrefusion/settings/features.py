"""Every setting of the features that are read of the audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from omegaconf import MISSING

from genrefusion.settings.fields import Settings, setting
from genrefusion.settings.registry import registered


@dataclass
class FeatureSettings(Settings):
    """What all features answer.

    Attributes
    ----------
    of_audio : bool
        Whether anything is read of the audio.
    are_sequences : bool
        Whether each song has a sequence of vectors, from a source (`genrefusion.features.sources`).
    with_gaps : bool
        Whether single values may be missing (NaN), as estimators on vectors take them.
    caution : str
        What has to stand beside every figure that is made with them; empty where there is nothing.
    """

    name: str = MISSING
    of_audio: ClassVar[bool] = True
    are_sequences: ClassVar[bool] = False
    with_gaps: ClassVar[bool] = False
    caution: ClassVar[str] = ""

    @property
    def ready_file(self) -> str | None:
        """File that holds them ready; None where they are computed from the audio."""
        return None


@registered("features", "mel")
@dataclass
class MelFeatures(FeatureSettings):
    """Log mel-spectrograms and the frames that are cut from them."""

    name: str = "mel"
    sample_rate: int = setting(12000, low=100, high=192_000, help="Hz")
    n_fft: int = setting(512, low=2, high=65_536, help="samples of a window")
    hop: int = setting(256, low=1, high=65_536, help="samples from one window to the next")
    n_mels: int = setting(96, low=1, high=2_048, help="bands")
    frame_seconds: float = setting(29.12, low=0.5, high=600, help="length of a frame")
    frame_hop_seconds: float | None = setting(
        None, low=0.1, high=600, help="from one frame to the next; null: frames side by side"
    )
    trim: float = setting(0.0, low=0, high=300, help="seconds left out at both ends of a song")


@registered("features", "handcrafted")
@dataclass
class HandcraftedFeatures(FeatureSettings):
    """Time- and frequency-domain features of the audio."""

    name: str = "handcrafted"
    kind: str = setting(
        "published",
        choices={"published": "97", "time": "9 of them", "frequency": "88 of them", "wide": "1,123"},
        help="how many",
    )
    segment_seconds: float | None = setting(
        None, low=0.5, high=600, help="a vector for each segment; null: one for the whole song"
    )


@registered("features", "table")
@dataclass
class TableFeatures(FeatureSettings):
    """Features that someone computed before: one row a track."""

    with_gaps: ClassVar[bool] = True
    name: str = "table"
    path: str | None = setting(None, path=True, needed="a CSV file with a column track_id (or filename) and numbers.")

    @property
    def ready_file(self) -> str | None:
        """The table."""
        return self.path


@registered("features", "precomputed", "genrefusion.features.precomputed:ReadySequences")
@dataclass
class PrecomputedFeatures(FeatureSettings):
    """A sequence of vectors for each track, from any encoder."""

    are_sequences: ClassVar[bool] = True
    name: str = "precomputed"
    path: str | None = setting(
        None,
        path=True,
        needed="an .npz file with the arrays track_id (n,), frames (m, d)\n"
        "and offsets (n + 1,); the sequence of track i is frames[offsets[i]:offsets[i + 1]].",
    )

    @property
    def ready_file(self) -> str | None:
        """The sequences."""
        return self.path


@registered("features", "audio_encoder", "genrefusion.features.audio_encoder:EncodedWindows")
@dataclass
class AudioEncoderFeatures(FeatureSettings):
    """Vectors of a frozen audio encoder from Hugging Face, one for each window of a song."""

    are_sequences: ClassVar[bool] = True
    name: str = "audio_encoder"
    model: str | None = setting(
        None,
        path=True,
        needed="a Hugging Face name such as\n"
        "MIT/ast-finetuned-audioset-10-10-0.4593 or m-a-p/MERT-v1-95M, or a folder with model.safetensors.",
        help="a Hugging Face name (AST, CLAP, wav2vec 2, MERT, HuBERT …) or a folder",
    )
    window_seconds: float = setting(5.0, low=0.1, high=60, help="length of a window")
    hop_seconds: float = setting(5.0, low=0.1, high=60, help="from one window to the next")


@registered("features", "musicnn", "genrefusion.features.musicnn:TagSequences")
@dataclass
class MusicnnFeatures(FeatureSettings):
    """Vectors of the tag network musicnn, trained on the Million Song Dataset."""

    are_sequences: ClassVar[bool] = True
    caution: ClassVar[str] = "the network of musicnn learnt from a million songs, some of which may be among these"
    name: str = "musicnn"
    layers: list[str] = setting(
        factory=lambda: ["tags"],
        choices={
            "tags": "log probability of 50 tags",
            "penultimate": "200 values that they are computed from",
            "pooled": "maximum and mean of 753 channels",
        },
        help="what is taken of the network, side by side",
    )
    hop_seconds: float = setting(3.0, low=0.016, high=600, help="from one patch of 3 s to the next")
    weights: str = setting(
        "musicnn",
        path=True,
        names=("musicnn",),
        help="musicnn: fetched from PyPI once; or the path of the wheel or of safetensors",
    )


@registered("features", "none")
@dataclass
class NoFeatures(FeatureSettings):
    """Nothing of the audio: for pipelines that read lyrics alone."""

    of_audio: ClassVar[bool] = False
    name: str = "none"
