from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import shared
from genrefusion.features.musicnn import load_musicnn
from genrefusion.models.musicnn import COLUMNS, Musicnn

MADE = np.load(Path(__file__).parents[1] / "golden" / "musicnn_made.npz")


def trained_like() -> Musicnn:
    """A network with scales of both signs and moments that are not those of a new one."""
    network, generator = Musicnn(), torch.Generator().manual_seed(0)
    for name, values in network.state_dict().items():
        if values.is_floating_point():
            drawn = torch.rand(values.shape, generator=generator)
            values.copy_(drawn + 0.5 if name.endswith("running_var") else 0.2 * (drawn - 0.5))
    return network


def plainly(network: Musicnn, patch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Tags and penultimate vector of one patch as the layers are described, one after the other."""
    pad, relu = torch.nn.functional.pad, torch.relu
    x = ((patch - network.input_norm.running_mean) / (network.input_norm.running_var + 1e-3).sqrt()) * (
        network.input_norm.weight
    ) + network.input_norm.bias
    front = []
    for conv, norm in zip(network.tall, network.tall_norm, strict=True):
        maps = relu(conv(pad(x, (0, 0, 3, 3))[None, None]))
        front.append(norm(maps.flatten(2)).view_as(maps).amax(3))
    for conv, norm, before, after in zip(network.long, network.long_norm, (63, 31, 15), (64, 32, 16), strict=True):
        maps = relu(conv(pad(x, (0, 0, before, after))[None, None]))
        front.append(norm(maps.flatten(2)).view_as(maps).amax(3))
    levels = [torch.cat(front, 1)]
    for conv, norm in zip(network.through_time, network.through_time_norm, strict=True):
        above = norm(relu(conv(levels[-1])))
        levels.append(above + levels[-1] if len(levels) > 1 else above)
    channels = torch.cat(levels, 1)[0]
    pooled = torch.stack([value for channel in channels for value in (channel.max(), channel.mean())])
    hidden = network.hidden_norm(relu(network.hidden(network.pooled_norm(pooled[None]))))
    return torch.sigmoid(network.output(hidden))[0], hidden[0]


@pytest.mark.parametrize("hop", [COLUMNS, 62], ids=["side by side", "overlapping"])
def test_patches_of_a_song_are_answered_as_each_by_itself(hop: int) -> None:
    network = trained_like()
    mel = torch.rand(2 * COLUMNS + 10, 96, generator=torch.Generator().manual_seed(1)) * 3
    starts = range(0, len(mel) - COLUMNS + 1, hop)
    answers = network(mel, starts)
    for start, tags, penultimate in zip(starts, answers.tags, answers.penultimate, strict=True):
        expected = plainly(network, mel[start : start + COLUMNS])
        torch.testing.assert_close(tags, expected[0], atol=1e-6, rtol=0)
        torch.testing.assert_close(penultimate, expected[1], atol=1e-5, rtol=0)


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
