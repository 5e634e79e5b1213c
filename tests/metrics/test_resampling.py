from __future__ import annotations

import numpy as np
import pytest

from genrefusion.metrics.resampling import REDUCED, count, draw_groups, resample
from genrefusion.metrics.scores import METRICS


def test_the_bootstrap_of_counts_is_that_of_a_loop_over_rows() -> None:
    rng = np.random.default_rng(0)
    truth, probabilities, clusters = rng.integers(0, 4, 90), rng.dirichlet(np.ones(4), 90), rng.integers(0, 25, 90)
    weights = [next(draw_groups(25, draws=40, seed=5))]
    found = resample(count(truth, probabilities, clusters), list(REDUCED), iter(weights))
    for number, times in enumerate(weights[0].astype(int)):
        rows = np.concatenate([np.flatnonzero(clusters == group) for group in np.repeat(np.arange(25), times)])
        for name, values in found.items():
            assert values[number] == pytest.approx(METRICS[name](truth[rows], probabilities[rows]))


def test_draws_take_as_many_groups_as_there_are_and_do_not_depend_on_how_many_are_held() -> None:
    weights = np.concatenate(list(draw_groups(3000, draws=2000)))
    assert weights.shape == (2000, 3000)
    assert (weights.sum(axis=1) == 3000).all()
    assert weights.var() == pytest.approx(1, rel=0.01)
    assert next(draw_groups(2**22, draws=2)).shape == (1, 2**22)
