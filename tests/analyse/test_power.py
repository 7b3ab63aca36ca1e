"""What a number of tasks and trials can show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from worktrial.analyse.power import Spread, detectable_difference, tasks_needed

SPREADS = st.builds(Spread, between=st.floats(0.001, 0.3), within=st.floats(0.01, 0.25))


@pytest.mark.parametrize(
    ("tasks", "trials", "points"),
    [(20, 1, 32), (20, 3, 20), (50, 1, 20), (50, 3, 13), (100, 1, 14), (200, 1, 10), (200, 3, 6.4), (500, 3, 4.1)],
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
    spread = Spread(between=0.02, within=0.15)
    shown = detectable_difference(tasks, trials, spread)
    sigma = np.sqrt(spread.between + 2 * spread.within / trials)
    found = stats.ttest_1samp(random.normal(shown, sigma, (4000, tasks)), 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
