from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import REPOSITORY, shared
from genrefusion.features.musicnn_weights import load_musicnn
from genrefusion.models.musicnn import COLUMNS, Musicnn

sys.path.insert(0, str(REPOSITORY / "scripts"))
from benchmarks.encoder import plainly

MADE = np.load(Path(__file__).parents[1] / "golden" / "musicnn_made.npz")


def trained_like() -> Musicnn:
    """A network with scales of both signs and moments that are not those of a new one."""
    network, generator = Musicnn(), torch.Generator().manual_seed(0)
    for name, values in network.state_dict().items():
        if values.is_floating_point():
            drawn = torch.rand(values.shape, generator=generator)
            values.copy_(drawn + 0.5 if name.endswith("running_var") else 0.2 * (drawn - 0.5))
    return network


LENGTH = 3 * COLUMNS + 10


@pytest.mark.parametrize(
    "starts",
    [
        pytest.param([0, 187, 374], id="side by side"),
        pytest.param([0, 187, 374, 384], id="and one flush with the end"),
        pytest.param([*range(0, 384, 62), 384], id="a second apart"),
        pytest.param([*range(3, 384, 37)], id="37 columns apart"),
        pytest.param([*range(100, 108)], id="a column apart"),
        pytest.param([0, 1, 300], id="two together and one by itself"),
        pytest.param([0, 380], id="far apart"),
        pytest.param([200], id="one"),
    ],
)
def test_patches_of_a_song_are_answered_as_each_by_itself(starts: list[int]) -> None:
    network = trained_like()
    mel = torch.rand(LENGTH, 96, generator=torch.Generator().manual_seed(1)) * 3
    answers = network(mel, starts)
    for start, tags, penultimate in zip(starts, answers.tags, answers.penultimate, strict=True):
        expected = plainly(network, mel[start : start + COLUMNS])
        torch.testing.assert_close(tags, expected[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(penultimate, expected[1], atol=1e-5, rtol=0)


def test_the_logarithm_of_a_tag_that_is_all_but_impossible_is_finite() -> None:
    network = trained_like()
    network.output.bias.fill_(-200)
    answers = network(torch.rand(COLUMNS, 96, generator=torch.Generator().manual_seed(1)), [0])
    assert (answers.tags == 0).all()
    torch.testing.assert_close(answers.log_tags, network.output(answers.penultimate))


def agree_with_the_original(patches: np.ndarray, tags: np.ndarray, penultimate: np.ndarray, weights: Path) -> None:
    network = load_musicnn(weights)
    mel = torch.from_numpy(patches.reshape(-1, 96))
    answers = network(mel, range(0, len(mel), COLUMNS))
    np.testing.assert_allclose(answers.tags, tags, atol=1e-5, rtol=0)
    np.testing.assert_allclose(answers.penultimate, penultimate, atol=1e-5, rtol=0)


def test_made_patches_are_answered_as_by_the_original_graph(musicnn_weights: Path) -> None:
    agree_with_the_original(MADE["patches"], MADE["tags"], MADE["penultimate"], musicnn_weights)


def test_real_patches_are_answered_as_by_the_original_graph(musicnn_weights: Path) -> None:
    with np.load(shared("musicnn/reference.npz")) as real:
        agree_with_the_original(real["patches"], real["tags"], real["penultimate"], musicnn_weights)


def test_in_bfloat16_the_answers_are_nearly_the_same(musicnn_weights: Path) -> None:
    network = load_musicnn(musicnn_weights)
    mel = torch.from_numpy(MADE["patches"].reshape(-1, 96))
    starts = range(0, len(mel) - COLUMNS + 1, 62)
    exact = network(mel, starts)
    rounded = network(mel, starts, torch.bfloat16)
    assert (rounded.tags - exact.tags).abs().max() <= 0.003
    for found, expected in zip(rounded, exact, strict=True):
        assert found.dtype == torch.float32
        assert torch.cosine_similarity(found, expected).min() >= 0.999
