"""What each command takes, and the schemas that `configs/` is composed against.

A misspelt name, a wrong type or an impossible value stops before any work begins. Nothing heavy is imported, so that
``--help`` answers at once.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf, open_dict

from genrefusion.errors import UserError, unknown_name
from genrefusion.pipeline_settings import (
    CoattentionSettings,
    EnsembleSettings,
    LyricsSettings,
    MultiframeSettings,
    TextEncoderSettings,
    XgboostSettings,
)
from genrefusion.settings import (
    AudioEncoderFeatures,
    DemoData,
    FolderData,
    GenreNames,
    GtzanData,
    HandcraftedFeatures,
    ManifestData,
    MelFeatures,
    NoFeatures,
    PrecomputedFeatures,
    SplitSettings,
    SweepSettings,
    TableFeatures,
    TableSettings,
    TrainerSettings,
    check_choice,
    check_range,
    check_seed,
    check_workers,
)


def to_settings(config: DictConfig) -> Any:
    """Turn the composed settings of a command into their dataclass, which refuses impossible values.

    Raises
    ------
    UserError
        A value is impossible, or a setting is none: what is typed after ``+`` is composed without a question.
    """
    own = config.copy()
    with open_dict(own):
        own.pop("hydra", None)
    known, unknown = _sorted_names(own)
    for name in unknown:
        raise unknown_name("setting", name, known)
    return OmegaConf.to_object(own)


def _sorted_names(config: DictConfig, prefix: str = "", *, free: bool = False) -> tuple[list[str], list[str]]:
    """Dotted names of the settings that dataclasses have, and of those that none has.

    A mapping within a dataclass's own setting is `free` to have any keys, as a search space has; one in the place of a
    group's dataclass is not: no choice was made that would know them.
    """
    schema = OmegaConf.get_type(config)
    fields = {f.name: f.type for f in dataclasses.fields(schema)} if dataclasses.is_dataclass(schema) else None
    known: list[str] = []
    unknown: list[str] = []
    for key in config:
        name, node = f"{prefix}{key!s}", config._get_node(key)
        belongs = free if fields is None else key in fields
        is_group = fields is not None and not prefix and fields.get(str(key)) == "Any"
        if isinstance(node, DictConfig) and _has_content(node):
            below = _sorted_names(node, f"{name}.", free=belongs and not is_group)
            known, unknown = known + below[0], unknown + below[1]
            continue
        (known if belongs else unknown).append(name)
        if isinstance(node, ListConfig) and _has_content(node):
            items = [node._get_node(number) for number in range(len(node))]
            for number, item in enumerate(items):
                if isinstance(item, DictConfig):
                    unknown += _sorted_names(item, f"{name}.{number}.", free=belongs)[1]
    return known, unknown


def _has_content(node: DictConfig | ListConfig) -> bool:
    return not (node._is_none() or node._is_missing() or node._is_interpolation()) and len(node) > 0


def configs_directory() -> Path:
    """Folder of the YAML files: inside an installed wheel, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parent
    in_wheel = package / "configs"
    return in_wheel if in_wheel.is_dir() else package.parents[1] / "configs"


def cache_folder(chosen: str | None) -> Path:
    """Folder of features, fetched weights and the demo corpus.

    The setting `cache`, or else the environment's `GENREFUSION_CACHE`, or else the user's cache folder.
    """
    import platformdirs

    chosen = chosen or os.environ.get("GENREFUSION_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("genrefusion"))


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
        if self.text_encoder is not None and not hasattr(self.pipeline, "encoder"):
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


FEATURES = (
    MelFeatures,
    AudioEncoderFeatures,
    HandcraftedFeatures,
    TableFeatures,
    PrecomputedFeatures,
    NoFeatures,
)


def register() -> None:
    """Tell Hydra about the schemas and the resolvers that the YAML files use."""
    store = ConfigStore.instance()
    for command in (TrainConfig, EvaluateConfig, PredictConfig, ReproduceConfig, CorpusConfig):
        store.store(name=f"{command.__name__.removesuffix('Config').lower()}_schema", node=command)
    for data in (DemoData, GtzanData, FolderData, ManifestData):
        store.store(group="data/schema", name=data.name, node=data)
    store.store(group="split/schema", name="split", node=SplitSettings)
    for features in FEATURES:
        store.store(group="features/schema", name=features.name, node=features)
    store.store(group="text_encoder/schema", name="text_encoder", node=TextEncoderSettings)
    for pipeline in (MultiframeSettings, CoattentionSettings, LyricsSettings, XgboostSettings, EnsembleSettings):
        store.store(group="pipeline/schema", name=pipeline.name, node=pipeline)
    store.store(group="trainer/schema", name="trainer", node=TrainerSettings)
    store.store(group="genres/schema", name="genres", node=GenreNames)
    store.store(group="sweep/schema", name="sweep", node=SweepSettings)
    store.store(group="table/schema", name="table", node=TableSettings)
    OmegaConf.register_new_resolver("if_weights", _if_weights, replace=True)
    OmegaConf.register_new_resolver("threads_each", _threads_each, replace=True)


def _if_weights(weights: str, with_weights: Any, without: Any) -> Any:
    """Choose between two values of a setting: one for published weights, one for training from scratch."""
    return without if weights == "none" else with_weights


def _threads_each(runs: int) -> int:
    """Threads of each of several runs on this machine: more than there are cores would wait for each other."""
    return max(1, (os.cpu_count() or 1) // runs)
