"""Dropout by sixteen bits a value: shares, means, gradients, against `torch.nn.Dropout`."""

from __future__ import annotations

import pytest
import torch

from genrefusion.models.dropout import Dropout

VALUES = torch.ones(1000, 301)  # not a multiple of the four values that one number decides about


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.95])
def test_the_share_is_dropped_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    found = Dropout(share)(VALUES)
    expected = torch.nn.Dropout(share)(VALUES)
    error = 4 * (share * (1 - share) / VALUES.numel()) ** 0.5
    assert (found == 0).float().mean() == pytest.approx(share, abs=error)
    assert found.mean() == pytest.approx(1, abs=error / (1 - share))
    torch.testing.assert_close(found.unique(), expected.unique(), atol=0, rtol=1e-3)


def test_values_are_dropped_independently_of_their_neighbours() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.3)(VALUES) == 0).double().flatten() - 0.3
    for distance in (1, 2, 3, 4, 301):  # within one drawn number, in the next one, in the next row
        together = (dropped[distance:] * dropped[:-distance]).mean() / (0.3 * 0.7)
        assert abs(together) < 4 / len(dropped) ** 0.5


def test_gradients_pass_what_was_kept() -> None:
    values = VALUES.clone().requires_grad_()
    found = Dropout(0.3)(values)
    found.sum().backward()
    torch.testing.assert_close(values.grad, found.detach())


def test_the_same_seed_drops_the_same_with_any_number_of_threads() -> None:
    found, threads = [], torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        torch.manual_seed(0)
        found.append(Dropout(0.3)(VALUES))
    torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_nothing_is_dropped_outside_of_training_or_without_a_share() -> None:
    assert torch.equal(Dropout(0.3).eval()(VALUES), VALUES)
    assert torch.equal(Dropout(0.0)(VALUES), VALUES)
    assert not Dropout(1.0)(VALUES).any()


def test_half_precision_stays() -> None:
    assert Dropout(0.3)(VALUES.bfloat16()).dtype == torch.bfloat16
