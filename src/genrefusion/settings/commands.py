"""What each command takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.checks import check_choice, check_range, check_seed, check_workers


@dataclass
class TrainConfig:
    """Everything that `train` takes."""

    name: str = MISSING
    seed: int = 0
    data: Any = MISSING
    split: Any = MISSING
    features: Any = MISSING
    text_encoder: Any = None  # null: the pipeline reads no lyrics, or has a way of its own
    pipeline: Any = MISSING
    trainer: Any = MISSING
    output: str = "outputs"
    cache: str | None = None  # null: GENREFUSION_CACHE or the user's cache folder
    workers: int = 2
    resume: bool = False
    sweep: Any = None  # SweepSettings: the group sweep, with train -m
    parallel: int = 2  # runs at once, with train -m and a launcher
    debug: bool = False  # tracebacks for mistakes too

    def __post_init__(self) -> None:
        """Refuse a text encoder that nothing would use, and no runs at once."""
        check_range("parallel", self.parallel, 1, 10_000)
        check_seed("seed", self.seed)
        check_workers(self.workers)
        if self.text_encoder is not None and not self.pipeline.takes_text_encoder:
            raise UserError(f"text_encoder={self.text_encoder.name}: pipeline={self.pipeline.name} has none.")


@dataclass
class FeaturesFile:
    """Where the ready features of another corpus are."""

    path: str | None = None  # null: the file that the run was trained on


@dataclass
class EvaluateConfig:
    """Everything that `evaluate` takes."""

    run: str | None = None
    data: Any = None  # null: the run's own test tracks
    features: FeaturesFile = field(default_factory=FeaturesFile)
    calibrate: bool = False  # also with probabilities scaled by a temperature that is fitted on the validation tracks
    explain: int = 0  # of co-attention: songs to draw the attention of, beside tables of words and a deletion test
    trainer: Any = MISSING
    cache: str | None = None
    workers: int = 2
    debug: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_workers(self.workers)
        if self.explain < 0:
            raise UserError(f"explain={self.explain}: a number of songs to draw, or 0 to explain nothing.")


@dataclass
class PredictConfig:
    """Everything that `predict` takes."""

    run: Any = None  # the folder of a run, or several as [A,B], whose answers are averaged
    audio: str | None = None  # a song, a folder or a pattern
    lyrics: str | None = None  # a file, or a folder with SONG.lrc or SONG.txt; null: beside the song, or its tags
    format: str = "table"  # table | json | csv
    plot: bool = False  # draw each song too, as a PNG
    output: str = "predictions"  # folder of the drawings
    trainer: Any = MISSING
    cache: str | None = None  # null: features are computed and forgotten; or a folder to keep them in
    workers: int = 2
    debug: bool = False

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_workers(self.workers)
        check_choice("format", self.format, ("table", "json", "csv"))


@dataclass
class ReproduceConfig:
    """Everything that `reproduce` takes; data, split, features and trainer go to the training of the rows."""

    table: Any = MISSING
    data: Any = MISSING
    split: Any = MISSING
    features: Any = None  # null: those of each experiment; otherwise of all that read audio
    weights: str | None = None  # published weights (msd, or their path) for all that have convolutions
    trainer: Any = MISSING
    rows: list[str] | None = None  # null: all; or the experiments to measure
    seeds: list[int] = field(default_factory=lambda: [0])
    output: str = "outputs"
    cache: str | None = None
    workers: int = 2
    debug: bool = False

    def __post_init__(self) -> None:
        """Refuse a table of nothing, and impossible values."""
        check_workers(self.workers)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f'seeds={self.seeds}: one or more, each once, such as "seeds=[0,1,2]".')
        for seed in self.seeds:
            check_seed("seeds", seed)
        known = dict.fromkeys(row.experiment for row in self.table.rows)
        for name in self.rows or []:
            check_choice("row", name, tuple(known))


@dataclass
class CorpusConfig:
    """Everything that `corpus` takes."""

    action: str = "describe"  # describe | validate | build
    data: Any = MISSING  # to describe or validate; data.min_seconds and data.max_seconds also when building
    source: str | None = None  # build: a folder of music
    out: str | None = None  # build: the corpus, a folder that does not exist yet
    per_genre: int | None = None  # build: songs to choose of each genre; null: all
    needs: str = "any"  # build: any | both: whether songs without lyrics are left out
    seed: int = 0  # build: of the choice and the split
    cache: str | None = None
    workers: int = 2
    debug: bool = False
    genres: Any = MISSING  # build: names of the genres

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_choice("action", self.action, ("describe", "validate", "build"))
        check_choice("needs", self.needs, ("any", "both"))
        check_workers(self.workers)
        if self.per_genre is not None:
            check_range("per_genre", self.per_genre, 2, 1_000_000)
        check_range("seed", self.seed, 0, 2**63)
        if self.action == "build" and not (self.source and self.out):
            raise UserError(
                "action=build needs source: a folder of music, and out: the folder to make of it.\n"
                "corpus action=build source=music out=corpus per_genre=30"
            )
