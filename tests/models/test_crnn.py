from __future__ import annotations

import numpy as np
import pytest
import torch

from genrefusion.models.crnn import POOLS, Crnn, FrameClassifier, KerasGru, Trunk


def slow_gru(layer: KerasGru, inputs: np.ndarray) -> np.ndarray:
    """Keras 1's equations, one number at a time; inputs of shape (steps, n_inputs)."""
    kernel, recurrent, bias = (p.detach().double().numpy() for p in (layer.kernel, layer.recurrent, layer.bias))
    units = layer.n_units
    state = np.zeros(units)
    states = []
    for x in inputs:

        def weighted(gate: int, unit: int, h: np.ndarray, x: np.ndarray = x) -> float:
            column = gate * units + unit
            total = bias[column]
            for i in range(len(x)):
                total += x[i] * kernel[i, column]
            for i in range(units):
                total += h[i] * recurrent[i, column]
            return float(total)

        update = np.array([min(max(0.2 * weighted(0, u, state) + 0.5, 0), 1) for u in range(units)])
        reset = np.array([min(max(0.2 * weighted(1, u, state) + 0.5, 0), 1) for u in range(units)])
        proposal = np.array([np.tanh(weighted(2, u, reset * state)) for u in range(units)])
        state = update * state + (1 - update) * proposal
        states.append(state)
    return np.array(states)


def slow_trunk(trunk: Trunk, mel: np.ndarray) -> np.ndarray:
    """The four blocks with plain loops, published order (ELU, then pooling); mel of shape (bands, columns)."""
    value = {name: tensor.double().numpy() for name, tensor in trunk.state_dict().items()}

    def normalised(x: np.ndarray, name: str) -> np.ndarray:
        shape = (-1,) + (1,) * (x.ndim - 1)
        mean, var, scale, shift = (
            value[f"{name}.{part}"].reshape(shape) for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * scale + shift

    if trunk.column_norm:
        missing = 1440 - mel.shape[1]
        mel = np.pad(mel, ((0, 0), (missing // 2, missing - missing // 2)))
        maps = normalised(mel.T, "input_norm").T[None]
    else:
        maps = normalised(mel, "input_norm")[None]
    for block, (high, wide) in enumerate(POOLS):
        kernels, bias = value[f"blocks.{block}.0.weight"], value[f"blocks.{block}.0.bias"]
        padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
        outputs = np.zeros((len(kernels), *maps.shape[1:]))
        for channel in range(len(kernels)):
            for row in range(3):
                for column in range(3):
                    window = padded[:, row : row + maps.shape[1], column : column + maps.shape[2]]
                    outputs[channel] += np.tensordot(kernels[channel, :, row, column], window, axes=1)
            outputs[channel] += bias[channel]
        outputs = normalised(outputs, f"blocks.{block}.1")
        outputs = np.where(outputs > 0, outputs, np.expm1(np.minimum(outputs, 0)))
        rows, columns = outputs.shape[1] // high, outputs.shape[2] // wide
        maps = np.empty((len(kernels), rows, columns))
        for r in range(rows):
            for c in range(columns):
                maps[:, r, c] = outputs[:, r * high : (r + 1) * high, c * wide : (c + 1) * wide].max(axis=(1, 2))
    return maps[:, 0].T


def randomise(network: torch.nn.Module) -> None:
    """Give all weights and running statistics values that matter."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if "var" in name else 0.3 * noise)


@torch.no_grad()
@pytest.mark.parametrize(("column_norm", "columns"), [(False, 200), (True, 1366)])
def test_crnn_agrees_with_plain_loops(column_norm: bool, columns: int) -> None:
    network = Crnn(3, width=2, column_norm=column_norm)
    randomise(network)
    network.eval()
    mel = np.random.default_rng(0).normal(size=(96, columns))
    sequence = slow_trunk(network.trunk, mel)
    state = slow_gru(network.head.gru2, slow_gru(network.head.gru1, sequence))[-1]
    expected = network.head.output.weight.double().numpy() @ state + network.head.output.bias.double().numpy()
    found = network(torch.from_numpy(mel[None]).float())[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_published_network_sees_15_steps_of_128_channels() -> None:
    trunk = Trunk(width=64, column_norm=True).eval()
    assert trunk(torch.zeros(1, 96, 1366)).shape == (1, 15, 128)


@torch.no_grad()
def test_sequence_holds_all_levels_and_ends_with_the_last() -> None:
    trunk = Trunk(width=2).eval()
    mel = torch.randn(2, 96, 300)
    sequence = trunk.sequence(mel)
    assert sequence.shape == (2, 3, trunk.n_channels)
    torch.testing.assert_close(sequence[:, :, -trunk.channels[-1] :], trunk(mel))


@torch.no_grad()
def test_copied_weights_give_the_published_recurrent_state() -> None:
    published = Crnn(50, width=4, column_norm=True).eval()
    randomise(published)
    network = FrameClassifier(5, width=4, column_norm=True, dropout=0.3).eval()
    network.copy_published(published)
    sequence = network.trunk.sequence(torch.randn(2, 96, 1366))
    expected = published.head.embed(sequence[:, :, -8:])
    torch.testing.assert_close(network.head.gru2(network.head.gru1(sequence))[:, -1], expected)


def test_every_weight_gets_a_gradient() -> None:
    network = FrameClassifier(3, width=2, column_norm=False, dropout=0.0)
    network(torch.randn(4, 96, 200)).square().sum().backward()
    assert all(
        p.grad is not None and p.grad.abs().sum() > 0 for name, p in network.named_parameters() if "0.bias" not in name
    )
