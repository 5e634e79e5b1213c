"""Small real corpora and composed settings for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

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
    """A file of the real data beside the repository; the test is skipped, by the file's name, where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"needs ../shared/data/{path}")
    return found


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of the tests' own, also for the commands that they start."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["GENREFUSION_CACHE"] = str(folder)
    os.environ["OMP_NUM_THREADS"] = "1"  # the networks here are too small for two threads
    torch.set_num_threads(1)
    return folder


def compose_train(*overrides: str) -> TrainConfig:
    """What `train` with these overrides would run."""
    register()
    with initialize_config_dir(str(configs_directory()), version_base="1.3"):
        config = compose("train", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with open_dict(config):
        del config.hydra
    settings = OmegaConf.to_object(config)
    assert isinstance(settings, TrainConfig)
    return settings


@pytest.fixture(scope="session")
def demo(cache: Path) -> Tracks:
    """80 songs of 9 s, checked."""
    settings = compose_train(*TINY_DATA).data
    terminal = Terminal(quiet=True)
    tracks = load_corpus(settings, cache=cache, workers=2, terminal=terminal)
    return check_audio(tracks, settings, cache=cache, workers=2, terminal=terminal)


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
