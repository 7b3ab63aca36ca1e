"""Comparing two agents on the tasks both were graded on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from worktrial.analyse.intervals import FEW_TASKS
from worktrial.analyse.paired import (
    EXACT_TASKS,
    MANY_TASKS,
    compare,
    detectable_difference,
    difference_interval,
    flip_size,
    mcnemar_p,
    sign_flip_p,
)

THIRDS = st.integers(-3, 3).map(lambda n: n / 3)


@given(st.lists(THIRDS, min_size=2, max_size=9))
def test_the_exact_test_agrees_with_trying_every_flip(values: list[float]) -> None:
    differences = np.array(values)
    sums = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = np.mean(np.array(sums) >= abs(sum(values)) - 1e-9)
    assert sign_flip_p(differences) == pytest.approx(expected)


@given(st.integers(0, 8), st.integers(0, 8))
def test_one_trial_per_task_gives_mcnemars_exact_test(better: int, worse: int) -> None:
    differences = np.array([1.0] * better + [-1.0] * worse + [0.0] * 5)
    expected = mcnemar([[3, better], [worse, 2]], exact=True).pvalue
    assert sign_flip_p(differences) == pytest.approx(min(1.0, float(expected)))


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemars_test_is_exact_however_many_tasks_differ(better: int, worse: int) -> None:
    expected = stats.binomtest(better, better + worse).pvalue if better + worse else 1.0
    assert mcnemar_p(better, worse) == pytest.approx(expected, abs=1e-9)
    differences = np.repeat([1.0, -1.0, 0.0], [better, worse, 3])
    assert sign_flip_p(differences) == mcnemar_p(better, worse)


def test_so_many_unlike_differences_that_the_normal_limit_stands_in_agree_with_the_t_test() -> None:
    differences = np.random.default_rng(6).normal(0.01, 0.4, 3000)
    assert sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=0.02)


def test_tasks_that_share_a_group_are_flipped_together() -> None:
    differences = np.random.default_rng(7).integers(-3, 4, 12) / 3
    groups = np.repeat(np.arange(4), 3)
    assert sign_flip_p(differences, groups=groups) == pytest.approx(sign_flip_p(differences.reshape(4, 3).sum(axis=1)))
    alone = compare(differences[:, None], np.zeros((12, 1)), np.arange(12))
    assert alone is not None
    assert alone.p == sign_flip_p(differences)
    low, high = difference_interval(differences)
    assert alone.low < low < high < alone.high  # by t, since clusters are few


def test_many_tasks_agree_with_scipys_permutation_test() -> None:
    random = np.random.default_rng(3)
    differences = random.normal(0.12, 0.5, 40)
    assert np.sum(differences != 0) > EXACT_TASKS
    expected = stats.permutation_test(
        (differences, np.zeros(40)), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=20_000, rng=5
    ).pvalue
    assert sign_flip_p(differences) == pytest.approx(float(expected), abs=0.01)


@settings(max_examples=15)
@given(st.lists(THIRDS, min_size=20, max_size=40), st.randoms(use_true_random=False))
def test_neither_the_order_of_tasks_nor_that_of_agents_changes_p(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    differences = np.array(values)
    assert sign_flip_p(np.array(shuffled)) == sign_flip_p(differences) == sign_flip_p(-differences)


@given(st.lists(THIRDS, min_size=2, max_size=60))
def test_the_interval_has_a_width_and_holds_the_difference(values: list[float]) -> None:
    differences = np.array(values)
    low, high = difference_interval(differences)
    assert -1 <= low < high <= 1
    assert low - 1e-9 <= np.mean(differences) <= high + 1e-9


@settings(max_examples=20)
@given(st.lists(THIRDS, min_size=2, max_size=90))
def test_differences_the_other_way_round_have_the_interval_the_other_way_round(values: list[float]) -> None:
    low, high = difference_interval(np.array(values))
    assert difference_interval(-np.array(values)) == pytest.approx((-high, -low), abs=1e-9)


def test_the_interval_hardly_changes_where_its_method_does() -> None:
    random = np.random.default_rng(5)
    for tasks in (FEW_TASKS, MANY_TASKS + 1):
        values = random.integers(-3, 4, tasks) / 3
        assert difference_interval(values) == pytest.approx(difference_interval(values[1:]), abs=0.3 / np.sqrt(tasks))


def test_with_many_tasks_the_interval_is_that_of_the_paired_t_test() -> None:
    differences = np.random.default_rng(4).normal(0.1, 0.4, 2000)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert difference_interval(differences) == pytest.approx((expected.low, expected.high), abs=5e-4)


@pytest.mark.parametrize(
    ("tasks", "least", "most"), [(10, 0.95, 1.0), (13, 0.93, 1.0), (20, 0.93, 1.0), (35, 0.93, 0.98)]
)
def test_at_one_trial_a_task_it_covers_the_true_difference_in_93_or_more_of_100_runs(
    tasks: int, least: float, most: float
) -> None:
    ways = [(b, w) for b in range(tasks + 1) for w in range(tasks + 1 - b)]
    ends = [difference_interval(np.repeat([1.0, -1.0, 0.0], [b, w, tasks - b - w])) for b, w in ways]
    # Shares of tasks that only the better, only the worse agent solves; ten and twenty points apart.
    for better, worse in ((0.1, 1e-9), (0.12, 0.02), (0.2, 0.1), (0.31, 0.21), (0.3, 0.1)):
        chance = stats.multinomial.pmf(
            [(b, w, tasks - b - w) for b, w in ways], tasks, [better, worse, 1 - better - worse]
        )
        held = np.array([low <= better - worse <= high for low, high in ends])
        assert least <= chance[held].sum() <= most


@pytest.mark.parametrize("tasks", [10, 20, 50])
def test_at_three_trials_a_task_it_covers_the_true_difference_in_93_to_98_of_100_runs(tasks: int) -> None:
    random = np.random.default_rng(tasks)
    repetitions = 1000 if tasks < 50 else 60  # a bootstrap takes its time; `make coverage-of-intervals` does more
    for first, second in ((0.2, 0.1), (0.5, 0.4), (0.8, 0.7), (0.95, 0.7)):
        for alike in (2.0, 1e3):
            ease = random.random((repetitions, tasks))
            means = [random.binomial(3, stats.beta.ppf(ease, p * alike, (1 - p) * alike)) / 3 for p in (first, second)]
            found = [difference_interval(run, 3**-0.5) for run in means[0] - means[1]]
            held = np.mean([low <= first - second <= high for low, high in found])
            slack = 2 * np.sqrt(0.05 * 0.95 / repetitions)
            assert 0.93 - slack <= held <= (0.99 if tasks == 10 else 0.98) + slack


def test_pseudo_tasks_are_of_the_size_of_a_trial() -> None:
    nan = np.nan
    assert flip_size(np.ones((5, 1)), np.zeros((5, 1))) == 1
    assert flip_size(np.ones((5, 4)), np.zeros((5, 4))) == pytest.approx(0.5)
    assert flip_size(np.ones((2, 2)), np.array([[1, nan], [0, nan]])) == pytest.approx(0.75**0.5)


def test_equal_agents_are_told_apart_in_at_most_one_run_in_twenty() -> None:
    random = np.random.default_rng(8)
    alarms = []
    for _ in range(600):
        chance = random.beta(1, 1, (14, 1))
        first, second = ((random.random((14, 3)) < chance).astype(float) for _ in range(2))
        paired = compare(first, second)
        alarms.append(paired is not None and paired.established)
    assert np.mean(alarms) <= 0.055


def test_a_true_difference_of_the_detectable_size_is_found_four_times_in_five() -> None:
    random = np.random.default_rng(9)
    spread, tasks = 0.3, 40
    wanted = float(np.median([detectable_difference(random.normal(0, spread, tasks)) for _ in range(200)]))
    found = [stats.ttest_1samp(random.normal(wanted, spread, tasks), 0).pvalue < 0.05 for _ in range(2000)]
    # The steadied spread makes the promise a little cautious.
    assert 0.76 <= np.mean(found) <= 0.9


def test_only_tasks_graded_for_both_are_compared() -> None:
    nan = np.nan
    first = np.array([[1, 1], [1, nan], [nan, nan], [0, 1]])
    second = np.array([[0, 0], [nan, nan], [1, 1], [0, 0]])
    paired = compare(first, second)
    assert paired is not None
    assert paired.tasks == 2
    assert paired.difference == pytest.approx(0.75)
    assert compare(first[:2], second[:2]) is None


def test_agents_that_never_differ_are_level_and_not_sure_to_be_the_same() -> None:
    paired = compare(np.ones((20, 1)), np.ones((20, 1)))
    assert paired is not None
    assert (paired.difference, paired.p, paired.established) == (0.0, 1.0, False)
    assert paired.low < -0.1 < 0.1 < paired.high
