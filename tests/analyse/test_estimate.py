"""The cost of one agent in terms of another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from worktrial.analyse.estimate import cost_ratio

COSTS = st.lists(st.floats(0.01, 100), min_size=2, max_size=30)


@settings(max_examples=25, deadline=None)
@given(COSTS, st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_an_agent_that_does_the_same_at_another_price_costs_that_many_times(
    amounts: list[float], factor: float, random: object
) -> None:
    cost = np.array(amounts)
    completed = np.array([random.randint(0, 3) for _ in amounts], dtype=np.float64)  # type: ignore[attr-defined]
    found = cost_ratio((cost, cost * factor), (completed, completed))
    if not completed.sum():
        assert found is None
        return
    assert found is not None
    assert found.value == pytest.approx(factor)
    assert found.low == pytest.approx(factor)
    order = np.argsort(-cost)
    moved = cost_ratio((cost[order], cost[order] * factor), (completed[order], completed[order]))
    assert moved is not None
    assert (moved.low, moved.high) == (found.low, found.high)


def test_the_interval_agrees_with_scipys_bootstrap() -> None:
    random = np.random.default_rng(2)
    cost = random.gamma(2, 1, 60), random.gamma(2, 2, 60)
    completed = random.integers(0, 4, 60).astype(np.float64), random.integers(0, 3, 60).astype(np.float64)
    found = cost_ratio(cost, completed)
    expected = stats.bootstrap(
        (*cost, *completed),
        lambda a, b, m, n: (np.sum(b) / np.sum(n)) / (np.sum(a) / np.sum(m)),
        paired=True, vectorized=False, method="percentile", rng=3, n_resamples=3000,
    ).confidence_interval  # fmt: skip
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.04)


def test_what_is_true_lies_in_the_interval_nineteen_times_of_twenty() -> None:
    random = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        ease = random.beta(2, 2, 60)
        completed = [random.binomial(3, ease * share).astype(np.float64) for share in (1.0, 0.8)]
        cost = [random.gamma(4, price, 60) for price in (0.25, 0.5)]
        found = cost_ratio((cost[0], cost[1]), (completed[0], completed[1]))
        assert found is not None
        hits += found.low <= 2.5 <= found.high
    assert hits / 200 >= 0.9


def test_where_hardly_anything_was_completed_there_is_no_upper_end_and_without_anything_no_ratio() -> None:
    cost, completed = np.ones(10), np.ones(10)
    few = np.array([1.0] + [0.0] * 9)
    found = cost_ratio((cost, cost), (completed, few))
    assert found is not None
    assert math.isinf(found.high)
    assert found.value == 10
    assert cost_ratio((cost, cost), (completed, np.zeros(10))) is None
    assert cost_ratio((np.zeros(10), cost), (completed, completed)) is None
    assert cost_ratio((cost[:1], cost[:1]), (completed[:1], completed[:1])) is None
