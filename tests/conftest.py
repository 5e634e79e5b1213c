"""Small real corpora and composed settings for all tests."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
import importlib.util
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf, open_dict

from genrefusion import cli
from genrefusion.core.files import locked
from genrefusion.core.terminal import Terminal
from genrefusion.data.checks import check_audio
from genrefusion.data.corpora import load_corpus
from genrefusion.data.tracks import Tracks
from genrefusion.features.cache import FeatureCache
from genrefusion.features.text_encoder import _minilm_folder
from genrefusion.pipelines.base import Context
from genrefusion.settings.commands import TrainConfig
from genrefusion.settings.composing import configs_directory, register

# A shell that starts the tests in the background lets them ignore Ctrl-C, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"

TINY_DATA = ["data.songs_per_genre=8", "data.seconds=9", "data.test_fraction=0.2", "data.val_fraction=0.1"]
"""Settings that make the demo corpus a matter of seconds."""

TINY_NETWORK = ["features.frame_seconds=3", "pipeline.width=4", "pipeline.batch_size=8"]
"""Settings that make a multi-frame network one."""

TINY = [*TINY_DATA, *TINY_NETWORK]


def shared(path: str) -> Path:
    """A file of the real data beside the repository, or of those that any clone has in ``tests/golden``.

    The test is skipped, by the file's name, where it is neither here nor there.
    """
    golden = REPOSITORY / "tests" / "golden" / Path(path).name
    found = golden if golden.exists() else SHARED / path
    if not found.exists():
        pytest.skip(f"needs ../shared/data/{path}")
    return found


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker("slow")


def pytest_configure() -> None:
    """Look for garbage less often than after every 700 new objects, which took an eighth of all time."""
    gc.set_threshold(50_000, 20, 50)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the search for garbage pass over what was imported and collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, also for the commands that they start."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GENREFUSION_CACHE"] = str(folder)
    os.environ["OMP_NUM_THREADS"] = "1"  # the networks here are too small for two threads
    torch.set_num_threads(1)
    return folder


@functools.cache
def _composed(*overrides: str) -> tuple[DictConfig, TrainConfig]:
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
    whole = config.copy()
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config.hydra
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, TrainConfig)
    return whole, settings


def compose_train(*overrides: str) -> TrainConfig:
    """What `train` with these overrides would run."""
    register()
    whole, settings = _composed(*overrides)
    HydraConfig.instance().set_config(whole)
    return copy.deepcopy(settings)


def run_here(command: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as it is typed, but in this process: a new one takes seconds to import what it needs."""
    register()  # as it is at first: names of folders are not yet taken
    out, error, code = io.StringIO(), io.StringIO(), 0
    level = logging.getLogger().level
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", [command, *words])
        patch.setenv("HYDRA_FULL_ERROR", "1")  # the command sets it
        try:
            getattr(cli, command)()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            logging.getLogger().setLevel(level)  # with --info, Hydra lets everything be logged, which is slow
    return subprocess.CompletedProcess([command, *words], code, out.getvalue(), error.getvalue())


@pytest.fixture(scope="session")
def demo(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Tracks:
    """80 songs of 9 s, checked; one process of the tests composes them for all."""
    settings = compose_train(*TINY_DATA).data
    terminal = Terminal(quiet=True)
    base = tmp_path_factory.getbasetemp()
    composed = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "composed"
    with locked(composed.with_suffix(".lock")):
        load_corpus(settings, cache=composed, workers=1, terminal=terminal)
    shutil.copytree(composed, cache, dirs_exist_ok=True)
    tracks = load_corpus(settings, cache=cache, workers=1, terminal=terminal)
    return check_audio(tracks, settings, cache=cache, workers=1, terminal=terminal)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of random weights with MiniLM's tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny_encoder")
    tokenizer = AutoTokenizer.from_pretrained(_minilm_folder())
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def musicnn_weights(cache: Path) -> Path:
    """Published weights of the tag network, fetched from PyPI."""
    return weights_or_skip(cache / "weights")


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that fit the tag network, and are not the published ones."""
    from safetensors.torch import save_file

    from genrefusion.models.musicnn import Musicnn

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    save_file(Musicnn().state_dict(), path)
    return path


def weights_or_skip(folder: Path) -> Path:
    """Fetch the weights of the tag network; the test is skipped for want of pip or of a network, and for nothing else."""
    from genrefusion.features.musicnn_weights import CannotFetch, find_weights

    try:
        return find_weights("musicnn", folder, Terminal(quiet=True))
    except CannotFetch as error:
        if importlib.util.find_spec("pip") is None or not _pip_answers():
            pytest.skip(str(error))
        raise


def _pip_answers() -> bool:
    """Whether pip finds its index, which then has what is fetched."""
    command = [sys.executable, "-m", "pip", "index", "versions", "musicnn"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def unrendered() -> Iterator[None]:
    """Where a module tells nothing of pictures: see `without_rendering`."""
    with without_rendering():
        yield


@contextlib.contextmanager
def without_rendering() -> Iterator[None]:
    """Compose pictures but do not render them, which takes longer than a tiny run."""
    from genrefusion.reports import plots

    def write(figure: Figure, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not rendered")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "save_figure", write)
        patch.setattr(plots, "save_for_page", write)
        yield


@pytest.fixture
def context(cache: Path) -> Context:
    return Context(FeatureCache(cache / "features"))


@pytest.fixture
def write_tone() -> Callable[..., Path]:
    """Write a tone of a length, a level and a rate."""

    def write(path: Path, *, seconds: float = 2.0, level: float = 0.3, rate: int = 22050, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(seconds * rate)) / rate
        tone = level * np.sin(2 * np.pi * 440 * time)
        soundfile.write(path, np.repeat(tone[:, None], channels, axis=1), rate)
        return path

    return write
