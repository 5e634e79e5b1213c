from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.signal
import torch

from conftest import shared
from genrefusion.core.errors import UserError
from genrefusion.models import msd

WEIGHTS = "weights/music_tagger_crnn_weights_theano.h5"

PUBLISHED = {
    "cute": {"jazz": 0.444, "instrumental": 0.151, "folk": 0.103, "Hip-Hop": 0.103, "ambient": 0.077},
    "actionable": {"jazz": 0.416, "instrumental": 0.181, "Hip-Hop": 0.085, "folk": 0.085, "rock": 0.081},
    "dubstep": {"Hip-Hop": 0.245, "rock": 0.183, "alternative": 0.081, "electronic": 0.076},
    "thejazzpiano": {"jazz": 0.299, "instrumental": 0.174, "electronic": 0.089, "ambient": 0.061, "chillout": 0.052},
}


@torch.no_grad()
@pytest.mark.parametrize("clip", PUBLISHED)
def test_ported_network_gives_the_published_tags(clip: str) -> None:
    network = msd.load_msd_crnn(shared(WEIGHTS))
    mel = np.load(shared(f"bensound/{clip}.melgram.npy"))[0]
    tags = torch.sigmoid(network(torch.from_numpy(mel).float()))[0].numpy()
    found = dict(zip(msd.TAGS, tags, strict=True))
    # The published values are given to three decimals; 0.0005 is half of the last one.
    for tag, value in PUBLISHED[clip].items():
        assert found[tag] == pytest.approx(value, abs=0.00051)
    order = sorted(found, key=lambda tag: -found[tag])[: len(PUBLISHED[clip])]
    assert set(order) == set(PUBLISHED[clip])


@torch.no_grad()
def test_published_weights_answer_as_when_the_published_tags_were_met() -> None:
    """In any clone; the values are those of the network that passed the test above, of a made spectrogram."""
    bands, columns = np.mgrid[:96, :1366]
    mel = -40 + 25 * np.cos(2 * np.pi * bands / 24) * np.cos(2 * np.pi * columns / 43) - bands / 4
    tags = torch.sigmoid(msd.load_msd_crnn(shared(WEIGHTS))(torch.from_numpy(mel)[None].float()))[0].numpy()
    found = dict(zip(msd.TAGS, tags, strict=True))
    expected = {"rock": 0.0666, "jazz": 0.0539, "alternative": 0.0489, "electronic": 0.0446, "pop": 0.0354}
    assert {tag: found[tag] for tag in expected} == pytest.approx(expected, abs=1e-4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[msd.Crnn, dict[str, np.ndarray]]:
    """The network with weights from a file laid out like the published one, and the arrays in the file."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {"bn_0_freq": (1440,), "output_W": (32, 50), "output_b": (50,)}
    for number, (below, above) in enumerate([(1, 64), (64, 128), (128, 128), (128, 128)], start=1):
        shapes |= {f"conv{number}_W": (above, below, 3, 3), f"conv{number}_b": (above,), f"bn{number}": (above,)}
    for layer, inputs in (("gru1", 128), ("gru2", 32)):
        for gate in "zrh":
            shapes |= {f"{layer}_W_{gate}": (inputs, 32), f"{layer}_U_{gate}": (32, 32), f"{layer}_b_{gate}": (32,)}
    arrays = {name: rng.normal(scale=0.3, size=shape).astype(np.float32) for name, shape in shapes.items()}
    for name in [name for name in arrays if name.startswith("bn")]:
        values = arrays.pop(name)
        arrays |= {f"{name}_{part}": values + i for i, part in enumerate(("gamma", "beta", "running_mean"))}
        arrays[f"{name}_running_std"] = np.abs(values) + 0.5
    path = tmp_path_factory.mktemp("weights") / "made.h5"
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_group(name).create_dataset(name, data=values)
    return msd.load_msd_crnn(path), arrays


@torch.no_grad()
def test_kernels_are_those_of_a_true_convolution(made: tuple[msd.Crnn, dict[str, np.ndarray]]) -> None:
    network, arrays = made
    image = np.random.default_rng(1).normal(size=(9, 11)).astype(np.float32)
    found = network.trunk.blocks[0][0](torch.from_numpy(image)[None, None])[0].numpy()
    for channel, kernel in enumerate(arrays["conv1_W"][:, 0]):
        expected = scipy.signal.convolve2d(image, kernel, mode="same") + arrays["conv1_b"][channel]
        np.testing.assert_allclose(found[channel], expected, atol=1e-5)


@torch.no_grad()
def test_what_is_called_a_deviation_is_used_as_a_variance(made: tuple[msd.Crnn, dict[str, np.ndarray]]) -> None:
    network, arrays = made
    maps = np.random.default_rng(2).normal(size=(64, 3, 4)).astype(np.float32)
    found = network.trunk.blocks[0][1](torch.from_numpy(maps)[None])[0].numpy()
    mean, variance, scale, shift = (
        arrays[f"bn1_{part}"][:, None, None] for part in ("running_mean", "running_std", "gamma", "beta")
    )
    np.testing.assert_allclose(found, (maps - mean) / np.sqrt(variance + 1e-3) * scale + shift, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("layer", "inputs"), [("gru1", 128), ("gru2", 32)])
def test_gates_are_those_of_keras_1(layer: str, inputs: int, made: tuple[msd.Crnn, dict[str, np.ndarray]]) -> None:
    network, arrays = made
    sequence = np.random.default_rng(3).normal(scale=0.3, size=(5, inputs)).astype(np.float32)
    w, u, b = ({gate: arrays[f"{layer}_{part}_{gate}"] for gate in "zrh"} for part in "WUb")
    state = np.zeros(32)
    for x in sequence:
        update, reset = (np.clip(0.2 * (x @ w[g] + state @ u[g] + b[g]) + 0.5, 0, 1) for g in "zr")
        state = update * state + (1 - update) * np.tanh(x @ w["h"] + (reset * state) @ u["h"] + b["h"])
    found = getattr(network.head, layer)(torch.from_numpy(sequence)[None])
    np.testing.assert_allclose(found[0, -1].numpy(), state, atol=1e-4)


def test_there_are_50_tags() -> None:
    assert len(msd.TAGS) == len(set(msd.TAGS)) == 50


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.h5: no such file"):
        msd.find_weights(str(tmp_path / "nowhere.h5"), tmp_path)


def test_a_file_without_weights_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.create_group("conv1").create_dataset("conv1_W", data=np.zeros(3))
    with pytest.raises(UserError, match=r"other\.h5: no weights of the MSD network"):
        msd.load_msd_crnn(tmp_path / "other.h5")


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"\x80\x04\x95not really")
    with pytest.raises(UserError, match="not the published file"):
        msd.load_msd_crnn(tmp_path / "weights.h5")


def test_without_a_network_the_message_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msd, "URL", "http://127.0.0.1:9/weights.h5")  # the discard port: refused at once
    with pytest.raises(UserError, match=r"pipeline\.weights=PATH"):
        msd.find_weights("msd", tmp_path)
