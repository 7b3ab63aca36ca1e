"""The posterior of a solve rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from worktrial.analyse.beta_binomial import PRIOR, belief
from worktrial.analyse.intervals import binomial_interval, solve_rate


@settings(max_examples=30)
@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_one_trial_a_task_gives_the_beta_posterior(drawn: tuple[int, int]) -> None:
    solved, tasks = drawn
    found = belief(np.repeat([1.0, 0.0], [solved, tasks - solved])[:, None])
    assert found is not None
    exact = stats.beta(PRIOR + solved, PRIOR + tasks - solved)
    assert (found.low, found.high) == binomial_interval(solved, tasks)
    for rate in (0.2, 0.5, 0.8):
        assert found.above(rate) == pytest.approx(exact.sf(rate), abs=0.02)


def test_several_trials_agree_with_integrating_scipys_beta_binomial() -> None:
    solved = np.array([3, 3, 2, 0, 1, 3, 0, 3, 2, 3, 0, 1])
    found = belief((np.arange(3) < solved[:, None]).astype(float))
    assert found is not None

    def density(like: float, mean: float) -> float:
        weight = 1 / like - 1
        likelihood = stats.betabinom.pmf(solved, 3, mean * weight, (1 - mean) * weight)
        return float(np.prod(likelihood) * stats.beta.pdf(mean, PRIOR, PRIOR)) * 1e6

    total = integrate.dblquad(density, 0, 1, 1e-4, 1 - 1e-4, epsrel=1e-3)[0]
    below = integrate.dblquad(density, 0, found.low, 1e-4, 1 - 1e-4, epsrel=1e-3)[0]
    above = integrate.dblquad(density, found.high, 1, 1e-4, 1 - 1e-4, epsrel=1e-3)[0]
    assert (below / total, above / total) == (pytest.approx(0.025, abs=0.004), pytest.approx(0.025, abs=0.004))


def test_trials_of_a_task_that_always_agree_are_worth_hardly_more_than_one() -> None:
    answers = np.repeat([1.0, 0.0], [30, 20])
    once, often = belief(answers[:, None]), belief(np.repeat(answers[:, None], 5, axis=1))
    assert once is not None
    assert often is not None
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=0.02)


def test_with_many_tasks_it_agrees_with_the_interval_of_tables_and_with_none_there_is_none() -> None:
    random = np.random.default_rng(4)
    outcomes = (random.random((800, 3)) < random.beta(2, 1, (800, 1))).astype(float)
    found, rate = belief(outcomes), solve_rate(outcomes)
    assert found is not None
    assert rate is not None
    assert (found.low, found.high) == pytest.approx((rate.low, rate.high), abs=0.006)
    assert belief(np.full((3, 2), np.nan)) is None
