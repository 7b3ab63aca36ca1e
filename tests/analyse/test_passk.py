"""pass@k and pass^k without bias."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.analyse.passk import over_tasks, pass_at_k, pass_hat_k

TASK = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=7)


@given(TASK, st.integers(1, 8))
def test_both_are_the_share_of_all_ways_to_pick_k_trials(trials: list[float], k: int) -> None:
    outcomes = np.array([[*trials, np.nan]])
    any_of, all_of = float(pass_at_k(outcomes, k)[0]), float(pass_hat_k(outcomes, k)[0])
    if k > len(trials):
        assert np.isnan(any_of)
        assert np.isnan(all_of)
        return
    picks = list(combinations(trials, k))
    assert any_of == pytest.approx(np.mean([any(pick) for pick in picks]))
    assert all_of == pytest.approx(np.mean([all(pick) for pick in picks]))


def test_with_hundreds_of_trials_they_are_those_of_whole_numbers() -> None:
    outcomes = np.array([[1.0] * 300 + [0.0] * 700])
    assert pass_at_k(outcomes, 10)[0] == pytest.approx(1 - comb(700, 10) / comb(1000, 10))
    assert pass_hat_k(outcomes, 10)[0] == pytest.approx(comb(300, 10) / comb(1000, 10))


def test_on_average_they_are_right_where_the_plain_forms_are_not() -> None:
    solved = np.random.default_rng(1).binomial(5, 0.3, 40_000)
    outcomes = (np.arange(5) < solved[:, None]).astype(float)
    assert pass_at_k(outcomes, 5).mean() == pytest.approx(0.832, abs=0.006)
    assert pass_hat_k(outcomes, 5).mean() == pytest.approx(0.0024, abs=0.001)
    assert np.mean(1 - (1 - solved / 5) ** 5) == pytest.approx(0.689, abs=0.006)
    assert np.mean((solved / 5) ** 5) == pytest.approx(0.026, abs=0.003)


def test_tasks_with_too_few_trials_are_left_out_of_the_mean_and_none_at_all_is_nothing() -> None:
    outcomes = np.array([[1, 1, 0], [0, np.nan, np.nan], [1, 1, np.nan]])
    found = over_tasks(pass_hat_k(outcomes, 2), 2)
    assert found is not None
    assert found.tasks == 2
    assert found.mean == pytest.approx((1 / 3 + 1) / 2)
    assert 0 <= found.low < found.mean < found.high <= 1
    assert over_tasks(pass_at_k(outcomes, 4), 4) is None
    with pytest.raises(ValueError, match="at least 1"):
        pass_at_k(outcomes, 0)
