"""What a number of tasks and trials can show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.analyse.paired import compare
from worktrial.analyse.power import (
    TYPICAL,
    Spread,
    detectable_difference,
    measured_spread,
    more_needed,
    tasks_needed,
    trials_needed,
)

SPREADS = st.builds(Spread, between=st.floats(0.001, 0.3), within=st.floats(0.01, 0.25))


@pytest.mark.parametrize(
    ("tasks", "trials", "points"),
    [(20, 1, 37), (20, 3, 23), (50, 1, 20), (50, 3, 13), (100, 1, 14), (200, 1, 10), (200, 3, 6.4), (500, 3, 4.1)],
)
def test_with_typical_spread_it_gives_the_figures_seen_in_practice(tasks: int, trials: int, points: float) -> None:
    assert 100 * detectable_difference(tasks, trials) == pytest.approx(points, rel=0.09)


@given(st.integers(2, 800), st.integers(1, 10), SPREADS)
def test_more_tasks_and_more_trials_show_smaller_differences(tasks: int, trials: int, spread: Spread) -> None:
    shown = detectable_difference(tasks, trials, spread)
    assert 0 < shown <= 1
    assert detectable_difference(tasks + 1, trials, spread) <= shown
    assert detectable_difference(tasks, trials + 1, spread) <= shown


@given(st.floats(0.02, 1), st.integers(1, 5), SPREADS)
def test_the_tasks_needed_are_the_fewest_that_suffice(difference: float, trials: int, spread: Spread) -> None:
    needed = tasks_needed(difference, trials, spread)
    assert detectable_difference(needed, trials, spread) <= difference
    assert needed == 2 or detectable_difference(needed - 1, trials, spread) > difference


@pytest.mark.parametrize("wanted", [0.0, -0.1, 1.5])
def test_a_difference_that_cannot_be_is_refused(wanted: float) -> None:
    with pytest.raises(ValueError, match="difference"):
        tasks_needed(wanted, 1)


@pytest.mark.parametrize(("tasks", "trials"), [(20, 1), (40, 3), (120, 1)])
def test_a_difference_of_that_size_is_found_four_times_in_five(tasks: int, trials: int) -> None:
    random = np.random.default_rng(tasks)
    shown, between = 0.1, 2 * 0.1**2 / 3
    for _ in range(20):  # how outcomes vary depends on the rates, and they on the difference
        within = 0.25 - (shown / 2) ** 2 - 0.1**2 / 3
        shown = detectable_difference(tasks, trials, Spread(between, within))
    found = []
    for _ in range(250):
        chances = [0.5 + side * shown / 2 + random.uniform(-0.1, 0.1, (tasks, 1)) for side in (1, -1)]
        first, second = ((random.random((tasks, trials)) < chance).astype(float) for chance in chances)
        paired = compare(first, second)
        found.append(paired is not None and paired.established)
    # Of the simulation two standard errors more.
    assert np.mean(found) == pytest.approx(0.8, abs=0.04 + 2 * 0.025)


@settings(max_examples=40)
@given(st.floats(0.02, 1), st.integers(2, 800), SPREADS)
def test_the_trials_needed_are_the_fewest_that_suffice(difference: float, tasks: int, spread: Spread) -> None:
    needed = trials_needed(difference, tasks, spread)
    if needed is None:
        assert detectable_difference(tasks, 1000, spread) > difference
    else:
        assert detectable_difference(tasks, needed, spread) <= difference
        assert needed == 1 or detectable_difference(tasks, needed - 1, spread) > difference


def test_the_spread_of_a_run_is_found_from_its_outcomes() -> None:
    random = np.random.default_rng(12)
    ease = random.uniform(0.2, 0.8, (4000, 1))
    first, second = (
        (random.random((4000, 3)) < ease + random.uniform(-0.2, 0.2, (4000, 1))).astype(float) for _ in range(2)
    )
    found = measured_spread(first, second)
    assert found is not None
    assert found.between == pytest.approx(2 * 0.2**2 / 3, rel=0.15)
    assert found.within == pytest.approx(0.25 - 0.6**2 / 12 - 0.2**2 / 3, rel=0.03)
    assert measured_spread(first[:1], second[:1]) is None


@pytest.mark.filterwarnings("error")
def test_a_task_with_a_single_trial_says_nothing_of_the_spread_within_tasks() -> None:
    """A run that goes on has tasks with one trial beside tasks with more."""
    first = np.array([[1.0, 0.0], [1.0, np.nan], [0.0, 1.0], [1.0, 1.0]])
    second = np.array([[0.0, np.nan], [1.0, np.nan], [0.0, np.nan], [1.0, np.nan]])
    found = measured_spread(first, second)
    assert found is not None
    # Of the first: 1/2, 1/2 and 0 within its three tasks of two trials; of the second there are none.
    assert found.within == pytest.approx((1 / 3 + TYPICAL.within) / 2)


def test_a_run_that_is_too_small_says_how_much_more_would_do() -> None:
    random = np.random.default_rng(13)
    first, second = ((random.random((40, 3)) < rate).astype(float) for rate in (0.6, 0.5))
    more = more_needed(first, second, 0.1)
    assert more is not None
    assert more.tasks > 40
    assert more.trials is None or more.trials > 0
    enough = more_needed(np.ones((60, 2)), np.zeros((60, 2)), 0.5)
    assert enough is not None
    assert (enough.tasks, enough.trials) == (0, 0)
    assert more_needed(first, first) is None


def test_a_run_with_so_many_more_tasks_shows_the_difference() -> None:
    random = np.random.default_rng(14)
    first, second = ((random.random((40, 2)) < rate).astype(float) for rate in (0.7, 0.5))
    more, spread = more_needed(first, second), measured_spread(first, second)
    assert more is not None
    assert spread is not None
    assert detectable_difference(40 + more.tasks, 2, spread) <= more.difference
