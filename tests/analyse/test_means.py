"""Means over tasks: by t, by bootstrap, and where tasks share something."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from worktrial.analyse.intervals import binomial_interval, solve_rate
from worktrial.analyse.means import clustered_error, mean_interval, ratio_of_sums, steadied

THIRDS = st.integers(0, 3).map(lambda n: n / 3)
GROUPED = st.lists(st.tuples(THIRDS, st.integers(0, 9)), min_size=4, max_size=60).filter(
    lambda rows: len({group for _, group in rows}) > 1
)


@settings(max_examples=30)
@given(GROUPED)
def test_the_clustered_error_is_that_of_a_regression_on_a_constant(rows: list[tuple[float, int]]) -> None:
    values, groups = (np.array(column) for column in zip(*rows, strict=True))
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    count = len(np.unique(groups))
    assert clustered_error(values, groups) == pytest.approx(fit.bse[0] * np.sqrt(count / (count - 1)), abs=1e-9)


@given(st.lists(THIRDS, min_size=2, max_size=40))
def test_without_groups_it_is_the_usual_standard_error(values: list[float]) -> None:
    assert clustered_error(np.array(values)) == pytest.approx(float(stats.sem(values)), abs=1e-12)


@settings(max_examples=20)
@given(st.lists(THIRDS, min_size=2, max_size=120), st.randoms(use_true_random=False))
def test_the_order_of_tasks_changes_nothing(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    low, high = mean_interval(np.array(values))
    assert mean_interval(np.array(shuffled)) == pytest.approx((low, high), abs=1e-9)
    assert 0 <= low <= high <= 1


@given(st.lists(st.integers(0, 1), min_size=2, max_size=80))
def test_yes_or_no_is_a_binomial_rate(values: list[int]) -> None:
    assert mean_interval(np.array(values, dtype=float)) == binomial_interval(sum(values), len(values))


def test_with_many_tasks_it_agrees_with_scipys_bootstrap_and_t_test() -> None:
    values = np.random.default_rng(2).integers(0, 4, 300) / 3
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=3).confidence_interval
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), abs=0.004)
    many = np.random.default_rng(2).integers(0, 4, 5000) / 3
    t = stats.ttest_1samp(many, 0.5).confidence_interval(0.95)
    assert mean_interval(many) == pytest.approx((t.low, t.high), abs=3e-4)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=60))
def test_tasks_of_as_many_trials_each_are_clusters_of_one_size(solved: list[int]) -> None:
    outcomes = (np.arange(3) < np.array(solved)[:, None]).astype(float)
    rate = solve_rate(outcomes)
    assert rate is not None
    if 0 < rate.mean < 1 and len(set(solved) - {0, 3}):
        found = ratio_of_sums(np.array(solved, dtype=float), np.full(len(solved), 3.0))
        assert found == pytest.approx((rate.low, rate.high), abs=1e-9)


@settings(max_examples=30)
@given(GROUPED)
def test_without_pseudo_tasks_the_steadied_error_of_groups_of_one_size_is_the_clustered_one(
    rows: list[tuple[float, int]],
) -> None:
    values, groups = (np.array(column) for column in zip(*rows, strict=True))
    alike = np.repeat(groups, 2), np.repeat(values, 2)
    _, codes = np.unique(alike[0], return_inverse=True)
    if len(set(np.bincount(codes).tolist())) > 1:
        return
    _, error, degrees = steadied(alike[1], (0.0, 1.0), 0.0, alike[0])
    assert error == pytest.approx(clustered_error(alike[1], alike[0]), abs=1e-12)
    assert degrees == pytest.approx(len(np.unique(groups)) - 1)


def test_groups_that_are_alike_within_count_as_so_many_tasks_and_one_group_says_nothing() -> None:
    answers = np.array([1.0, 0.0] * 10)
    groups = np.repeat(np.arange(20), 6)
    assert mean_interval(np.repeat(answers, 6), groups=groups) == pytest.approx(mean_interval(answers), abs=0.01)
    assert mean_interval(answers, groups=np.zeros(20, dtype=int)) == (0, 1)
    assert mean_interval(answers[:1]) == (0, 1)


@pytest.mark.parametrize(("groups", "rate"), [(10, 0.1), (10, 0.5), (20, 0.2), (20, 0.9), (50, 0.05)])
def test_the_clustered_interval_covers_the_true_rate_in_93_to_98_of_100_runs(groups: int, rate: float) -> None:
    random = np.random.default_rng(groups)
    within = []
    for _ in range(1500):
        codes = np.repeat(np.arange(groups), random.integers(1, 10, groups))
        chance = random.beta(rate * 2, (1 - rate) * 2, groups)[codes]
        low, high = mean_interval((random.random(len(codes)) < chance).astype(float), groups=codes)
        within.append(low <= rate <= high)
    # Two standard errors of the simulation.
    assert 0.93 - 2 * 0.0066 <= np.mean(within) <= 0.98 + 2 * 0.0036
