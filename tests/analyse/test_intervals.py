"""Solve rates and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from worktrial.analyse.intervals import effective_tasks, solve_rate, t_quantile, wilson

REPETITIONS = 1000


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_statsmodels(drawn: tuple[int, int]) -> None:
    successes, trials = drawn
    expected = proportion_confint(successes, trials, method="wilson")
    assert wilson(successes, trials) == pytest.approx(expected, abs=1e-9)


def test_no_trials_give_the_whole_range_and_no_rate() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert solve_rate(np.full((4, 2), np.nan)) is None
    assert solve_rate(np.zeros((0, 3))) is None


def test_a_single_task_says_nothing_of_others() -> None:
    rate = solve_rate(np.ones((1, 5)))
    assert rate is not None
    assert (rate.mean, rate.low, rate.high) == (1.0, 0.0, 1.0)


def test_the_rate_is_the_mean_of_task_means_whatever_trials_are_missing() -> None:
    nan = np.nan
    rate = solve_rate(np.array([[1, nan, nan], [0, 0, 1], [nan, nan, nan], [1, 0, nan]]))
    assert rate is not None
    assert rate.mean == pytest.approx((1 + 1 / 3 + 1 / 2) / 3)
    assert (rate.tasks, rate.trials) == (3, 6)


def test_trials_that_always_agree_add_nothing_to_their_tasks() -> None:
    answers = np.array([1.0] * 12 + [0.0] * 12)
    once, often = solve_rate(answers[:, None]), solve_rate(np.repeat(answers[:, None], 5, axis=1))
    assert once is not None
    assert often is not None
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_one_trial_per_task_is_wilson_on_the_tasks_with_the_t_quantile() -> None:
    rate = solve_rate(np.array([[1.0]] * 15 + [[0.0]] * 9))
    assert rate is not None
    assert (rate.low, rate.high) == pytest.approx(wilson(15, 24, t_quantile(0.975, 23)))


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=3, max_size=3), min_size=2, max_size=30))
def test_the_interval_holds_the_rate_and_ignores_the_order_of_tasks(rows: list[list[float]]) -> None:
    outcomes = np.array(rows)
    rate, turned = solve_rate(outcomes), solve_rate(outcomes[::-1])
    if rate is None or turned is None:
        assert np.all(np.isnan(outcomes))
        return
    assert 0 <= rate.low <= rate.mean <= rate.high <= 1
    assert (turned.mean, turned.low, turned.high) == pytest.approx((rate.mean, rate.low, rate.high))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40))
def test_the_effective_size_lies_between_tasks_and_trials(solved: list[int]) -> None:
    size = effective_tasks(np.array(solved) / 4, np.full(len(solved), 4))
    assert len(solved) <= size <= 4 * len(solved) + 1e-9


@pytest.mark.parametrize("tasks", [10, 20, 50])
@pytest.mark.parametrize("trials", [1, 3])
def test_the_interval_covers_the_true_rate_in_at_least_93_of_100_runs(tasks: int, trials: int) -> None:
    random = np.random.default_rng(tasks * 10 + trials)
    worst = 1.0
    for rate in (0.05, 0.2, 0.5, 0.8, 0.95):
        # Tasks from nearly all-or-nothing to all alike.
        for alike in (0.5, 2.0, 1e6):
            chances = random.beta(rate * alike, (1 - rate) * alike, (REPETITIONS, tasks, 1))
            runs = (random.random((REPETITIONS, tasks, trials)) < chances).astype(float)
            found = [solve_rate(run) for run in runs]
            worst = min(worst, float(np.mean([r is not None and r.low <= rate <= r.high for r in found])))
    # Two standard errors of the simulation below the mark.
    assert worst >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / REPETITIONS)
