"""The cost of one agent in terms of another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from worktrial.analyse.estimate import Spent, cost_ratio, ratio_interval
from worktrial.analyse.means import ratio_of_sums

Floats = NDArray[np.float64]


def spent(cost: Floats, completed: Floats, trials: float = 3.0) -> Spent:
    return Spent(cost, completed, np.full(len(cost), trials))


COSTS = st.lists(st.floats(0.01, 100), min_size=2, max_size=30)


@settings(max_examples=25, deadline=None)
@given(COSTS, st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_an_agent_that_does_the_same_at_another_price_costs_that_many_times(
    amounts: list[float], factor: float, random: object
) -> None:
    cost = np.array(amounts)
    completed = np.array([random.randint(0, 3) for _ in amounts], dtype=np.float64)  # type: ignore[attr-defined]
    found = cost_ratio(spent(cost, completed), spent(cost * factor, completed))
    if not completed.sum():
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(factor)
    if len(set(amounts)) > 1 or len(set(completed.tolist())) > 1:
        assert (found.low, found.high) == pytest.approx((factor, factor))
    else:  # where nothing varies it cannot be seen that the two are one
        assert found.low < factor < found.high
    order = np.argsort(-cost)
    moved = cost_ratio(spent(cost[order], completed[order]), spent(cost[order] * factor, completed[order]))
    assert moved is not None
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high))


def test_with_many_tasks_it_agrees_with_scipys_bootstrap() -> None:
    random = np.random.default_rng(2)
    ease = random.beta(2, 2, 400)
    completed = [random.binomial(3, ease * share).astype(np.float64) for share in (1.0, 0.7)]
    cost = [random.gamma(2, scale, 400) for scale in (1, 2)]
    found = cost_ratio(spent(cost[0], completed[0]), spent(cost[1], completed[1]))
    expected = stats.bootstrap(
        (*cost, *completed),
        lambda a, b, m, n: (np.sum(b) / np.sum(n)) / (np.sum(a) / np.sum(m)),
        paired=True, vectorized=False, method="percentile", rng=3, n_resamples=3000,
    ).confidence_interval  # fmt: skip
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.02)


def test_one_agents_interval_agrees_with_scipys_bootstrap_where_tasks_are_many() -> None:
    random = np.random.default_rng(4)
    cost, done = random.gamma(4, 1, 400), random.binomial(3, random.beta(2, 2, 400)).astype(float)
    expected = stats.bootstrap(
        (cost, done), lambda c, d, axis: c.sum(axis) / d.sum(axis), paired=True, vectorized=True, method="percentile",
        n_resamples=4000, rng=5,
    ).confidence_interval  # fmt: skip
    tries = np.full(400, 3.0)
    assert ratio_interval(cost, done, tries) == pytest.approx((expected.low, expected.high), rel=0.02)
    assert ratio_interval(cost[::-1], done[::-1], tries) == pytest.approx(ratio_interval(cost, done, tries))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=40), st.floats(0.01, 50))
def test_where_every_trial_costs_the_same_it_is_the_interval_of_the_rate(solved: list[int], price: float) -> None:
    done, tries = np.array(solved, dtype=np.float64), np.full(len(solved), 3.0)
    low, high = ratio_interval(tries * price, done, tries)
    least, most = ratio_of_sums(done, tries)
    assert low == pytest.approx(price / most)
    assert high == pytest.approx(price / least if least else math.inf)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 3)), min_size=2, max_size=30), st.floats(0.1, 10))
def test_the_interval_holds_the_figure_and_follows_the_currency(rows: list[tuple[float, int]], factor: float) -> None:
    cost, done = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    tries = np.full(len(rows), 3.0)
    low, high = ratio_interval(cost, done, tries)
    assert 0 <= low < high
    if done.sum():
        assert low <= cost.sum() / done.sum() <= high
    assert ratio_interval(cost * factor, done, tries) == pytest.approx((low * factor, high * factor))


@pytest.mark.parametrize(("tasks", "rate"), [(10, 0.2), (10, 0.8), (20, 0.5), (50, 0.05), (200, 0.9)])
def test_the_true_cost_lies_in_the_interval_in_93_to_98_of_100_runs(tasks: int, rate: float) -> None:
    random = np.random.default_rng(tasks)
    hits = 0
    for _ in range(1000):
        done = random.binomial(3, random.beta(rate * 2, (1 - rate) * 2, tasks)).astype(np.float64)
        cost = random.gamma(1.5, 1 / 1.5, (tasks, 3)).sum(axis=1) * (1.3 - 0.2 * done)
        low, high = ratio_interval(cost, done, np.full(tasks, 3.0))
        hits += low <= (1.3 - 0.6 * rate) / rate <= high
    # Two standard errors of the simulation.
    assert 0.93 - 0.016 <= hits / 1000 <= 0.98 + 0.009


@pytest.mark.parametrize("tasks", [10, 20, 60])
def test_the_true_ratio_lies_in_the_interval_in_93_to_98_of_100_runs(tasks: int) -> None:
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(1000):
        ease = random.beta(2, 2, tasks)
        completed = [random.binomial(3, ease * share).astype(np.float64) for share in (1.0, 0.8)]
        cost = [random.gamma(4, price, tasks) for price in (0.25, 0.5)]
        found = cost_ratio(spent(cost[0], completed[0]), spent(cost[1], completed[1]))
        assert found is not None
        hits += found.low <= 2.5 <= found.high
    assert 0.93 - 0.016 <= hits / 1000 <= 0.98 + 0.009


def test_where_hardly_anything_was_completed_the_upper_end_is_far_and_without_anything_there_is_no_ratio() -> None:
    cost, completed = np.ones(10), np.ones(10)
    few = np.array([1.0] + [0.0] * 9)
    found = cost_ratio(spent(cost, completed, 1), spent(cost, few, 1))
    assert found is not None
    assert found.high > 50
    assert found.value == 10
    nothing = np.zeros(10)
    assert cost_ratio(spent(cost, completed, 1), spent(cost, nothing, 1)) is None
    assert cost_ratio(spent(nothing, completed, 1), spent(cost, completed, 1)) is None
    assert cost_ratio(spent(cost[:1], completed[:1], 1), spent(cost[:1], completed[:1], 1)) is None
    assert ratio_interval(cost, nothing, completed)[1] == math.inf
    assert ratio_interval(cost[:1], completed[:1], completed[:1]) == (0.0, math.inf)
