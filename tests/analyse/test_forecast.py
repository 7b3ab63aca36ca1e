"""What a run will take, told from trials made before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.analyse.forecast import PastTrial, forecast

TRIALS = st.lists(st.builds(PastTrial, st.floats(0.1, 2000), st.floats(0, 5)), min_size=3, max_size=40)


@settings(max_examples=40)
@given(TRIALS, st.integers(1, 300))
def test_the_expected_sum_lies_within_the_range(past: list[PastTrial], trials: int) -> None:
    found = forecast(past, trials)
    for total, values in ((found.wall_s, [p.wall_s for p in past]), (found.cost_usd, [p.cost_usd or 0 for p in past])):
        assert total is not None
        assert total.low <= total.expected <= total.high
        assert total.expected == pytest.approx(trials * np.mean(values))
        assert total.low >= 0


def test_an_unknown_cost_makes_the_sum_unknown_and_not_smaller() -> None:
    found = forecast([PastTrial(10, 0.5), PastTrial(12, 0.5), PastTrial(10, None)], 5)
    assert found.cost_usd is None
    assert found.wall_s is not None


def test_with_too_little_past_nothing_is_known_and_with_nothing_to_do_all_is() -> None:
    assert forecast([PastTrial(10, 1.0)] * 2, 5).wall_s is None
    done = forecast([], 0)
    assert done.wall_s is not None
    assert done.wall_s.high == 0


@pytest.mark.parametrize("seen", [5, 20, 80])
def test_nine_runs_of_ten_end_within_the_range(seen: int) -> None:
    random = np.random.default_rng(seen)
    within = []
    for _ in range(300):
        past = [PastTrial(float(value), None) for value in random.gamma(2, 30, seen)]
        found = forecast(past, 60).wall_s
        assert found is not None
        within.append(found.low <= random.gamma(2, 30, 60).sum() <= found.high)
    assert 0.82 <= np.mean(within) <= 0.98
