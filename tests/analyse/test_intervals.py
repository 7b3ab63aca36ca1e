"""Solve rates and their intervals."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import lgamma

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from worktrial.analyse.intervals import (
    FEW_TASKS,
    STERNE_TAILS,
    binomial_interval,
    effective_tasks,
    solve_rate,
    wilson,
)


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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, FEW_TASKS - 1).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_few_answers_have_the_interval_that_inverts_scipys_two_sided_binomial_test(drawn: tuple[int, int]) -> None:
    solved, tasks = drawn
    low, high = binomial_interval(solved, tasks)
    assert 0 <= low <= solved / tasks <= high <= 1

    def p(rate: float) -> float:
        return float(stats.binomtest(solved, tasks, rate).pvalue)

    for inside, outside in ((low + 1e-6, low - 1e-6), (high - 1e-6, high + 1e-6)):
        if 0 < outside < 1:
            assert p(inside) > STERNE_TAILS >= p(outside)
    # Nothing further out is held.
    for rate in (*np.linspace(0, low, 12)[:-1], *np.linspace(high, 1, 12)[1:]):
        assert p(float(rate)) <= STERNE_TAILS + 1e-6 or low <= rate <= high


@settings(max_examples=100, deadline=None)
@given(st.integers(2, FEW_TASKS - 1), st.floats(0.001, 0.999))
def test_the_exact_interval_of_few_answers_covers_at_least_935_of_a_thousand_at_any_rate(n: int, rate: float) -> None:
    ends = np.array([binomial_interval(solved, n) for solved in range(n + 1)])
    held = (ends[:, 0] <= rate) & (rate <= ends[:, 1])
    assert stats.binom.pmf(np.arange(n + 1), n, rate)[held].sum() >= 1 - STERNE_TAILS - 1e-6


def test_from_fifty_tasks_on_one_trial_a_task_is_wilson() -> None:
    rate = solve_rate(np.array([[1.0]] * 40 + [[0.0]] * 20))
    assert rate is not None
    assert (rate.low, rate.high) == pytest.approx(proportion_confint(40, 60, method="wilson"))
    assert binomial_interval(0, 0) == (0.0, 1.0)


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


@pytest.mark.parametrize("tasks", [10, 13, 20])
@pytest.mark.parametrize("alike", [0.5, 2.0, 1e6])
def test_the_interval_of_three_trials_a_task_covers_93_to_98_of_100_whatever_tasks_are_like(
    tasks: int, alike: float
) -> None:
    ways = [np.bincount(kinds, minlength=4) for kinds in combinations_with_replacement(range(4), tasks)]
    found = [solve_rate((np.arange(3) < np.repeat(np.arange(4), way)[:, None]).astype(float)) for way in ways]
    orders = np.array([lgamma(tasks + 1) - sum(lgamma(times + 1) for times in way) for way in ways])
    for rate in (0.05, 0.1, 0.2, 0.35, 0.5, 0.65):
        chance = stats.betabinom.pmf(np.arange(4), 3, rate * alike, (1 - rate) * alike)
        weights = np.exp(orders + np.array(ways) @ np.log(chance))
        held = np.array([one is not None and one.low <= rate <= one.high for one in found])
        assert weights.sum() == pytest.approx(1)
        assert 0.93 <= weights[held].sum() <= 0.98


@pytest.mark.parametrize(
    ("tasks", "impossible"), [(10, {0.05, 0.1, 0.25, 0.75, 0.9, 0.95}), (20, {0.05, 0.95}), (50, set()), (200, set())]
)
def test_one_trial_a_task_covers_93_to_98_of_100_wherever_whole_numbers_of_tasks_allow_it(
    tasks: int, impossible: set[float]
) -> None:
    outcomes = np.arange(tasks + 1)
    ends = np.array([binomial_interval(solved, tasks) for solved in range(tasks + 1)])
    certain = np.array([proportion_confint(solved, tasks, method="beta") for solved in range(tasks + 1)])
    for rate in np.round(np.arange(0.05, 0.951, 0.05), 2):
        chance = stats.binom.pmf(outcomes, tasks, rate)
        cover = chance[(ends[:, 0] <= rate) & (rate <= ends[:, 1])].sum()
        allowed = chance * ((certain[:, 0] <= rate) & (rate <= certain[:, 1]))
        sums = [allowed[a : b + 1].sum() for a in range(tasks + 1) for b in range(a, tasks + 1)]
        if rate in impossible:
            assert not any(0.93 <= some <= 0.98 for some in sums)
            assert cover == pytest.approx(min(some for some in sums if some > 0.98))
        else:
            assert 0.93 <= cover <= 0.98
