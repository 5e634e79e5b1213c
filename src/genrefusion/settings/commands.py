"""What each command takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from genrefusion.core.errors import UserError
from genrefusion.settings.fields import LARGEST_SEED, Settings, check_choice, setting

_CACHE = "null: GENREFUSION_CACHE, or the user's cache folder"
_DEBUG = "tracebacks for mistakes too"
_DIVIDED = "how its tracks are divided"
_TRAINER = "where a network runs"
_WORKERS = "threads or processes that read songs"


@dataclass
class TrainConfig(Settings):
    """Everything that `train` takes."""

    name: str = setting(MISSING, help="of the run, and of the folder of its runs")
    seed: int = setting(0, low=0, high=LARGEST_SEED, help="of everything random")
    data: Any = setting(MISSING, help="the corpus")
    split: Any = setting(MISSING, help=_DIVIDED)
    features: Any = setting(MISSING, help="what is read of the audio")
    text_encoder: Any = setting(
        None, help="how lyrics become numbers; null: the pipeline reads no lyrics, or has a way of its own"
    )
    pipeline: Any = setting(MISSING, help="the system that turns tracks into genres")
    trainer: Any = setting(MISSING, help=_TRAINER)
    tracking: Any = setting(None, help="shows the run elsewhere too; null: its folder alone")
    output: str = setting("outputs", path=True, help="folder of the runs")
    cache: str | None = setting(None, path=True, help=_CACHE)
    workers: int = setting(2, low=1, high=1000, help=_WORKERS)
    resume: bool = setting(False, help="go on with the last run that was broken off, or with that of hydra.run.dir")
    sweep: Any = setting(None, help="a search for settings, with train -m")
    parallel: int = setting(2, low=1, high=10_000, help="runs at once, with train -m and a launcher")
    debug: bool = setting(False, help=_DEBUG)

    def __post_init__(self) -> None:
        """Refuse a text encoder that nothing would use."""
        super().__post_init__()
        if self.text_encoder is not None and not self.pipeline.takes_text_encoder:
            raise UserError(f"text_encoder={self.text_encoder.name}: pipeline={self.pipeline.name} has none.")


@dataclass
class FeaturesFile(Settings):
    """Where the ready features of another corpus are, and the weights of a network that computes them."""

    settings_group = "features"

    path: str | None = setting(None, path=True, help="null: the file that the run was trained on")
    weights: str | None = setting(
        None,
        path=True,
        names=("musicnn",),
        help="of features=musicnn; null: those that the run was trained on, where they lie; musicnn: fetched from PyPI "
        "once; or the path of the wheel or of safetensors",
    )


@dataclass
class EvaluateConfig(Settings):
    """Everything that `evaluate` takes."""

    run: str | None = setting(None, path=True, help="the folder of a run")
    data: Any = setting(None, help="another corpus; null: the run's own test tracks")
    features: FeaturesFile = setting(factory=FeaturesFile)
    calibrate: bool = setting(
        False, help="also with probabilities scaled by a temperature that is fitted on the validation tracks"
    )
    explain: int = setting(0, low=0, help="a number of songs to draw, or 0 to explain nothing")
    sides: str | None = setting(
        None, choices=("matrix",), help="also with a side taken away, exchanged or damaged; null: with both alone"
    )
    trainer: Any = setting(MISSING, help=_TRAINER)
    cache: str | None = setting(None, path=True, help=_CACHE)
    workers: int = setting(2, low=1, high=1000, help=_WORKERS)
    debug: bool = setting(False, help=_DEBUG)


@dataclass
class WeightsFile(Settings):
    """Where published weights are."""

    settings_group = "features"

    weights: str | None = setting(
        None,
        path=True,
        names=("musicnn",),
        help="of model=musicnn; null: those that a run was trained on, where they lie, or else musicnn, fetched from "
        "PyPI once; or the path of the wheel or of safetensors",
    )


@dataclass
class PredictConfig(Settings):
    """Everything that `predict` takes."""

    run: Any = setting(None, path=True, help="the folder of a run, or several as [A,B], whose answers are averaged")
    model: str | None = setting(
        None,
        choices={"musicnn": "the published tag network: blues, country, hiphop, jazz, metal, pop, rock"},
        help="in place of a run, without training",
    )
    audio: Any = setting(None, path=True, help="a song, a folder or a pattern, or several as [A,B]")
    lyrics: str | None = setting(
        None, path=True, help="a file, or a folder with SONG.lrc or SONG.txt; null: beside the song, or its tags"
    )
    format: str = setting("table", choices=("table", "json", "csv"), help="of the answers")
    plot: bool = setting(False, help="draw each song too, as a PNG")
    output: str = setting("predictions", path=True, help="folder of the drawings")
    features: WeightsFile = setting(factory=WeightsFile)
    trainer: Any = setting(MISSING, help=_TRAINER)
    cache: str | None = setting(
        None, path=True, help="null: features are computed and forgotten; or a folder to keep them in"
    )
    workers: int = setting(2, low=1, high=1000, help=_WORKERS)
    debug: bool = setting(False, help=_DEBUG)


@dataclass
class ReproduceConfig(Settings):
    """Everything that `reproduce` takes; data, split, features and trainer go to the training of the rows."""

    table: Any = setting(MISSING, help="the table")
    data: Any = setting(MISSING, help="the corpus")
    split: Any = setting(MISSING, help=_DIVIDED)
    features: Any = setting(None, help="of all experiments that read audio; null: those of each")
    weights: str | None = setting(
        None,
        path=True,
        names=("none", "msd"),
        help="published weights (msd, or their path) for all that have convolutions",
    )
    trainer: Any = setting(MISSING, help=_TRAINER)
    rows: list[str] | None = setting(None, help="the experiments to measure; null: all")
    seeds: list[int] = setting(factory=lambda: [0], low=0, high=LARGEST_SEED, help="each row is trained once with each")
    output: str = setting("outputs", path=True, help="folder of the runs and of tables/")
    cache: str | None = setting(None, path=True, help=_CACHE)
    workers: int = setting(2, low=1, high=1000, help=_WORKERS)
    debug: bool = setting(False, help=_DEBUG)

    def __post_init__(self) -> None:
        """Refuse a table of nothing, and rows that it does not have."""
        super().__post_init__()
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f'seeds={self.seeds}: one or more, each once, such as "seeds=[0,1,2]".')
        known = dict.fromkeys(row.experiment for row in self.table.rows)
        for name in self.rows or []:
            check_choice("row", name, known)


@dataclass
class CorpusConfig(Settings):
    """Everything that `corpus` takes."""

    action: str = setting("describe", choices={"describe": "", "validate": "read every file too", "build": "make one"})
    data: Any = setting(
        MISSING, help="to describe or validate; data.min_seconds and data.max_seconds also when building"
    )
    source: str | None = setting(None, path=True, help="build: a folder of music")
    out: str | None = setting(None, path=True, help="build: the corpus, a folder that does not exist yet")
    per_genre: int | None = setting(None, low=2, high=1_000_000, help="build: songs to choose of each genre; null: all")
    needs: str = setting("any", choices=("any", "both"), help="build: whether songs without lyrics are left out")
    seed: int = setting(0, low=0, high=2**63, help="build: of the choice and the split")
    cache: str | None = setting(None, path=True, help=_CACHE)
    workers: int = setting(2, low=1, high=1000, help=_WORKERS)
    debug: bool = setting(False, help=_DEBUG)
    genres: Any = setting(MISSING, help="build: names of the genres")

    def __post_init__(self) -> None:
        """Refuse to build of nothing, or nowhere."""
        super().__post_init__()
        if self.action == "build" and not (self.source and self.out):
            raise UserError(
                "action=build needs source: a folder of music, and out: the folder to make of it.\n"
                "corpus action=build source=music out=corpus per_genre=30"
            )
