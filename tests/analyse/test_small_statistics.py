"""Bounds of what is missing, quantiles, decay over attempts, and the stability of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from worktrial.analyse.attempts import by_attempt, fit_decay
from worktrial.analyse.bounds import difference_bounds, rate_bounds
from worktrial.analyse.intervals import Outcomes
from worktrial.analyse.power import TYPICAL
from worktrial.analyse.quantiles import quantile, values_needed
from worktrial.analyse.ranking import p_best_first, stability

OUTCOMES = st.lists(st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=3, max_size=3), min_size=1, max_size=12).map(
    np.array
)


@given(OUTCOMES, st.integers(0, 2**30))
def test_whatever_missing_trials_would_have_been_the_rate_is_within_the_bounds(outcomes: Outcomes, seed: int) -> None:
    found = rate_bounds(outcomes)
    assert found is not None
    guess = np.random.default_rng(seed).integers(0, 2, outcomes.shape)
    filled = np.where(np.isnan(outcomes), guess, outcomes)
    assert found.low - 1e-12 <= filled.mean() <= found.high + 1e-12
    assert found.high - found.low == pytest.approx(np.isnan(outcomes).mean())
    against = difference_bounds(outcomes, outcomes)
    assert against is not None
    assert (against.low, against.high) == pytest.approx((found.low - found.high, found.high - found.low))


def test_without_trials_there_are_no_bounds() -> None:
    assert rate_bounds(np.zeros((0, 3))) is None


def test_the_95th_percentile_takes_72_trials_and_says_so_below() -> None:
    assert values_needed(0.95) == 72
    few, enough = (quantile(np.arange(float(count))) for count in (71, 72))
    assert few is not None
    assert enough is not None
    assert (few.enough, few.high, few.needed) == (False, None, 72)
    assert few.low is not None
    assert (enough.enough, enough.high) == (True, 71.0)
    assert quantile(np.array([np.nan])) is None


@settings(max_examples=40)
@given(st.integers(6, 400), st.sampled_from([0.5, 0.9, 0.95]))
def test_quantile_intervals_cover_at_least_95_of_100_and_hold_the_value(count: int, q: float) -> None:
    found = quantile(np.arange(1.0, count + 1), q)
    assert found is not None
    assert found.value == np.quantile(np.arange(1.0, count + 1), q, method="inverted_cdf")
    if not found.enough:
        assert found.low is None or found.high is None
        return
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    cover = stats.binom.cdf(found.high - 1, count, q) - stats.binom.cdf(found.low - 1, count, q)
    assert 0.95 - 1e-9 <= cover <= 0.99
    exact = stats.quantile_test(np.arange(1.0, count + 1), p=q).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=max(2.1, 0.015 * count))


def test_attempts_count_until_the_task_is_solved() -> None:
    nan = np.nan
    found = by_attempt(np.array([[1, 1, 0], [0, 1, nan], [0, 0, 0], [0, nan, nan], [nan, nan, nan]]))
    assert found.tried.tolist() == [4, 2, 1]
    assert found.solved.tolist() == [1, 1, 0]
    assert found.effectiveness.tolist() == [0.25, 0.5, 0]
    assert found.cumulative.tolist() == [0.25, 0.5, 0.5]


@settings(max_examples=30)
@given(st.floats(0.1, 0.9), st.floats(0.1, 1.5), st.integers(0, 2**30))
def test_the_decay_is_that_of_scipys_curve_fit(start: float, rate: float, seed: int) -> None:
    times = np.arange(6)
    noise = np.random.default_rng(seed).normal(0, 0.01, 6)
    values = np.clip(start * np.exp(-rate * times) + noise, 0, 1)
    found = fit_decay(values)
    assert found is not None
    (e0, decay), _ = optimize.curve_fit(lambda t, a, b: a * np.exp(-b * t), times, values, p0=(start, rate))
    assume(-1.9 < decay < 9.9)
    assert (found.start, found.rate) == pytest.approx((e0, decay), rel=1e-3, abs=1e-4)
    assert found.r2 <= 1
    if found.half_life:
        assert found.attempts_until(0.5) == pytest.approx(found.half_life)


def test_an_exact_decay_is_found_and_growth_has_no_half_life() -> None:
    exact = fit_decay(0.6 * np.exp2(-np.arange(5.0)))
    assert exact is not None
    assert (exact.start, exact.half_life, exact.r2) == pytest.approx((0.6, 1.0, 1.0))
    growing = fit_decay(np.array([0.1, 0.2, 0.4]))
    assert growing is not None
    assert growing.half_life is None
    assert fit_decay(np.array([0.5, np.nan, 0.2])) is None


def test_the_better_agent_is_nearly_always_first_and_level_ones_share() -> None:
    random = np.random.default_rng(6)
    better, worse = random.binomial(3, 0.8, 60) / 3, random.binomial(3, 0.4, 60) / 3
    found = stability(np.array([worse, better, better]), 400)
    assert found.p_best == pytest.approx([0, 0.5, 0.5], abs=0.01)
    assert found.places.sum(axis=0) == pytest.approx([1, 1, 1])
    assert found.places.sum(axis=1) == pytest.approx([1, 1, 1])
    assert found.same_order > 0.98


def test_p_best_agrees_with_the_normal_approximation_for_two_agents() -> None:
    random = np.random.default_rng(7)
    means = random.binomial(3, 0.5, (2, 150)) / 3
    difference = means[0] - means[1]
    expected = stats.norm.cdf(difference.mean() / (difference.std() / np.sqrt(150)))
    assert stability(means).p_best[0] == pytest.approx(expected, abs=0.04)


def test_the_published_chance_to_rank_the_best_first_is_reproduced() -> None:
    rates = [0.532, 0.660, 0.714, 0.722]
    assert p_best_first(rates, 100, 3) == pytest.approx(0.60, abs=0.03)
    two = p_best_first(rates[2:], 100, 3)
    error = np.sqrt((TYPICAL.between + 2 * TYPICAL.within / 3) / 100)
    assert two == pytest.approx(stats.norm.cdf(0.008 / error), abs=0.01)
    assert p_best_first(rates, 5000, 3) > 0.9
