"""Means over tasks: by t, by bootstrap, and where tasks share something."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from worktrial.analyse.means import FEW_TASKS, MANY_TASKS, clustered_error, mean_interval

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


@settings(max_examples=20)
@given(st.lists(THIRDS, min_size=FEW_TASKS, max_size=90))
def test_differences_the_other_way_round_have_the_interval_the_other_way_round(values: list[float]) -> None:
    low, high = mean_interval(np.array(values), (-1, 1))
    assert mean_interval(-np.array(values), (-1, 1)) == pytest.approx((-high, -low), abs=1e-9)


def test_the_bootstrap_agrees_with_scipys() -> None:
    values = np.random.default_rng(2).integers(0, 4, 300) / 3
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=3).confidence_interval
    assert mean_interval(values) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_where_the_method_changes_the_interval_hardly_does() -> None:
    random = np.random.default_rng(5)
    for tasks in (FEW_TASKS, MANY_TASKS + 1):
        values = random.integers(0, 4, tasks) / 3
        (low, high), (before, after) = mean_interval(values), mean_interval(values[1:])
        assert (low, high) == pytest.approx((before, after), abs=0.15 / np.sqrt(tasks))


def test_groups_that_are_alike_within_count_as_so_many_tasks_and_one_group_says_nothing() -> None:
    answers = np.array([1.0, 0.0] * 10)
    groups = np.repeat(np.arange(20), 6)
    assert mean_interval(np.repeat(answers, 6), groups=groups) == pytest.approx(mean_interval(answers))
    assert mean_interval(answers, groups=np.zeros(20, dtype=int)) == (0, 1)
    assert mean_interval(answers[:1]) == (0, 1)


@pytest.mark.parametrize(("groups", "rate"), [(10, 0.5), (20, 0.2), (20, 0.9)])
def test_the_clustered_interval_covers_the_true_rate_in_at_least_93_of_100_runs(groups: int, rate: float) -> None:
    random = np.random.default_rng(groups)
    within = []
    for _ in range(800):
        codes = np.repeat(np.arange(groups), random.integers(1, 10, groups))
        chance = random.beta(rate * 2, (1 - rate) * 2, groups)[codes]
        low, high = mean_interval((random.random(len(codes)) < chance).astype(float), groups=codes)
        within.append(low <= rate <= high)
    assert np.mean(within) >= 0.93 - 2 * 0.009
