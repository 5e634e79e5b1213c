"""Every setting of a corpus, a split, features, a trainer and a table, with its type and default.

Those of pipelines are in `genrefusion.pipeline_settings`. A dataclass is the one place where a setting is written down;
`genrefusion.config` registers them with Hydra, and the YAML files of `configs/` choose values. An impossible value is
refused when the dataclass is made.

Saved runs and models name these classes and their fields: a name that is in use stays. A field that is added has a
default that changes nothing, as a setting at its default is no part of a run's signature (`genrefusion.record`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from genrefusion.errors import UserError, unknown_name


def check_choice(setting: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise unknown_name(setting, value, choices)


def check_range(setting: str, value: float, low: float, high: float) -> None:
    """Refuse a value that is not between two others."""
    if not low <= value <= high:
        raise UserError(f"{setting}={_number(value)} is out of range: from {_number(low)} to {_number(high)}.")


def check_seed(setting: str, value: int) -> None:
    """Refuse a seed that no random generator takes."""
    check_range(setting, value, 0, 2**32 - 1)


def check_workers(value: int) -> None:
    """Refuse a number of threads with which nothing would be done."""
    check_range("workers", value, 1, 1000)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


@dataclass
class DataSettings:
    """What every corpus has."""

    name: str = MISSING
    on_error: str = "raise"  # raise | skip: what a file that cannot be used does to the run
    min_seconds: float = 1.0  # shorter audio is a problem
    max_seconds: float = 600.0  # only the beginning of longer audio is used
    min_tracks: int = 2  # genres with fewer tracks are left out
    piece_seconds: float | None = None  # songs are cut into pieces of this length, each a track of its own

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("data.on_error", self.on_error, ("raise", "skip"))
        check_range("data.min_tracks", self.min_tracks, 2, 1_000_000)
        check_range("data.min_seconds", self.min_seconds, 0, self.max_seconds)
        if self.piece_seconds is not None:
            check_range("data.piece_seconds", self.piece_seconds, max(0.5, self.min_seconds), self.max_seconds)


@dataclass
class DemoData(DataSettings):
    """The composed corpus."""

    name: str = "demo"
    songs_per_genre: int = 30
    seconds: float = 32.0
    seed: int = 0
    test_fraction: float = 0.34  # what split=holdout tests of it: enough that the first figure says something
    val_fraction: float = 0.12  # and what it validates on: some songs of every genre

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        super().__post_init__()
        check_range("data.songs_per_genre", self.songs_per_genre, 4, 1000)
        check_range("data.seconds", self.seconds, 5, 300)
        check_range("data.test_fraction", self.test_fraction, 0.01, 0.5)
        check_range("data.val_fraction", self.val_fraction, 0.01, 0.5)
        check_seed("data.seed", self.seed)


@dataclass
class GtzanData(DataSettings):
    """GTZAN in its own layout."""

    name: str = "gtzan"
    root: str | None = None
    artist_index: str | None = None  # Sturm's GTZANindex.txt

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError(
                "data=gtzan needs data.root: the folder that holds genres_original/ or genres/ (1,000 clips, 1.2 GB),\n"
                "or any part of it. data/README.md says where to get it."
            )


@dataclass
class FolderData(DataSettings):
    """A folder of genres."""

    name: str = "folder"
    root: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing root."""
        super().__post_init__()
        if not self.root:
            raise UserError("data=folder needs data.root: a folder with one folder of songs for each genre.")


@dataclass
class ManifestData(DataSettings):
    """A tracks table."""

    name: str = "manifest"
    manifest: str | None = None
    root: str | None = None  # or the folder of a table that is called tracks.csv or tracks.jsonl
    needs: str = "any"  # any | audio | lyrics | both: what every track must have; others are refused, or skipped

    def __post_init__(self) -> None:
        """Refuse a missing table, and two."""
        super().__post_init__()
        check_choice("data.needs", self.needs, ("any", "audio", "lyrics", "both"))
        if self.manifest and self.root:
            raise UserError("data.manifest and data.root both name a tracks table. Leave out one of them.")
        if not self.manifest and not self.root:
            raise UserError(
                f"data={self.name} needs data.manifest: a tracks table (.csv or .jsonl) with the columns track_id,\n"
                "genre and audio, lyrics or lyrics_path; artist, title and split if they are known. Or data.root: the\n"
                "folder of one, as 'corpus action=build' makes it."
            )


@dataclass
class SplitSettings:
    """How tracks are divided; artists stay on one side unless `by_artist` is false, songs unless `by_song` is too."""

    kind: str = MISSING
    by_artist: bool = True
    by_song: bool = True  # pieces of a song (data.piece_seconds) stay on one side
    val_fraction: float = 0.1  # of all tracks
    test_fraction: float = 0.2  # holdout
    folds: int = 5  # kfold
    val_from_train: bool = False  # predefined: leave out the table's val tracks, and hold others out of train

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("split.kind", self.kind, ("holdout", "kfold", "predefined"))
        if self.by_artist and not self.by_song:
            raise UserError(
                "split.by_song=false: pieces of a song on both sides would have its artist there too.\n"
                "Add split.by_artist=false, or leave out split.by_song=false."
            )
        check_range("split.val_fraction", self.val_fraction, 0.01, 0.5)
        check_range("split.test_fraction", self.test_fraction, 0.01, 0.5)
        check_range("split.folds", self.folds, 2, 100)


@dataclass
class MelFeatures:
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
class HandcraftedFeatures:
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
class TableFeatures:
    """Features that someone computed before: one row a track."""

    name: str = "table"
    path: str | None = None

    def __post_init__(self) -> None:
        """Refuse a missing table."""
        if not self.path:
            raise UserError(
                "features=table needs features.path: a CSV file with a column track_id (or filename) and numbers."
            )


@dataclass
class PrecomputedFeatures:
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


@dataclass
class AudioEncoderFeatures:
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
class NoFeatures:
    """Nothing of the audio: for pipelines that read lyrics alone."""

    name: str = "none"


@dataclass
class TrainerSettings:
    """Where a network runs; nothing here changes what is computed beyond rounding."""

    device: str = "auto"  # auto | cpu | cuda | mps
    mixed_precision: str = "no"  # no | fp16 | bf16
    threads: int | None = None  # null: as many as there are cores

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("trainer.device", self.device, ("auto", "cpu", "cuda", "mps"))
        check_choice("trainer.mixed_precision", self.mixed_precision, ("no", "fp16", "bf16"))
        if self.threads is not None:
            check_range("trainer.threads", self.threads, 1, 10_000)


@dataclass
class GenreNames:
    """What the genres of a corpus that is built are called, and the names in tags and folders that mean them."""

    name: str = MISSING
    synonyms: dict[str, list[str]] | None = None  # null: genres are called as the tags and folders call them
    path: str | None = None  # a YAML file that holds `synonyms`, in the place of the above

    def __post_init__(self) -> None:
        """Refuse a missing file."""
        if self.name == "file" and not self.path:
            raise UserError("genres=file needs genres.path: a YAML file like configs/genres/gtzan10.yaml.")


@dataclass
class SweepSettings:
    """A search for settings; the validation log loss decides."""

    trials: int = 30
    seed: int = 0  # of the sampler, Optuna's TPE
    pruner: str = "median"  # median (end trials that are worse than the median at the same epoch) | none
    startup: int = 5  # trials that run through before one is ended
    warmup: int = 2  # epochs that every trial has
    space: dict[str, Any] = field(default_factory=dict)  # settings, each [choice, …] or {low, high, log, step}
    trial: int | None = None  # number of one trial; the sweep sets it

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("sweep.pruner", self.pruner, ("median", "none"))
        check_range("sweep.trials", self.trials, 1, 1_000_000)
        check_range("sweep.seed", self.seed, 0, 1_000_000)
        check_range("sweep.startup", self.startup, 1, 1_000_000)
        check_range("sweep.warmup", self.warmup, 0, 100_000)
        if not self.space:
            raise UserError("sweep.space is empty: name a setting, such as ++sweep.space.pipeline.dropout=[0.1,0.3].")


def process_count() -> int:
    """How many processes train together, as `accelerate launch` or `torchrun` says it."""
    return _from_launcher("WORLD_SIZE", 1, low=1, high=100_000)


def process_number() -> int:
    """Which of them this one is; 0 is the main process, which alone prints and writes."""
    return _from_launcher("RANK", 0, low=0, high=process_count() - 1)


def _from_launcher(variable: str, default: int, *, low: int, high: int) -> int:
    """Read a number that a launcher of several processes sets.

    Raises
    ------
    UserError
        It is none, or says that this process would have nothing to do.
    """
    said = os.environ.get(variable, str(default))
    if said.strip().isdecimal() and low <= int(said) <= high:
        return int(said)
    raise UserError(
        f"The environment variable {variable} is {said!r}, not a whole number from {low} to {high}. "
        f"Launchers such as torchrun set it; for one process: unset RANK WORLD_SIZE"
    )


@dataclass
class TableRow:
    """One row of a table: an experiment and what was claimed for it."""

    title: str = MISSING
    experiment: str = MISSING
    claimed: float | None = None  # accuracy in percent
    evidence: str = ""  # what is known of how the claimed figure came about
    group: str = ""  # rows are compared with the first row of their group
    overrides: list[str] = field(default_factory=list)


TABLE_COLUMNS = (
    "claimed",
    "accuracy",
    "difference",
    "macro_f1",
    "n",
    "seeds",
    "parameters",
    "file_bytes",
    "macs",
    "train_seconds",
    "ms_per_song",
    "peak_memory_mb",
    "evidence",
)
"""What a table can show beside the title, corpus and protocol of each row."""


@dataclass
class TableSettings:
    """A table to reproduce."""

    name: str = MISSING
    title: str = MISSING
    source: str = ""
    columns: list[str] = field(default_factory=lambda: ["accuracy", "difference", "macro_f1", "n", "seeds"])
    figure: str = "bars"  # bars (accuracy) | cost (accuracy against time and size)
    overrides: list[str] = field(default_factory=list)  # of every row; what is typed comes after them
    rows: list[TableRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse columns and figures that do not exist."""
        check_choice("table.figure", self.figure, ("bars", "cost"))
        for column in self.columns:
            check_choice("table.columns", column, TABLE_COLUMNS)
