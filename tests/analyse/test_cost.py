"""What a completed task costs, and what is known of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.analyse.acceptance import Reviews
from worktrial.analyse.columns import INFRASTRUCTURE, NOT_SOLVED, SOLVED, Columns, from_codes
from worktrial.analyse.cost import cost_per_task
from worktrial.analyse.criteria import candidates, resampled_figures
from worktrial.analyse.routing import route
from worktrial.formats.acceptance import Acceptance
from worktrial.formats.config import Rates

ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),  # agent
        st.integers(0, 5),  # task
        st.sampled_from([SOLVED, NOT_SOLVED, INFRASTRUCTURE]),
        st.integers(1, 3),  # attempts
        st.floats(0, 5, allow_subnormal=False),  # US dollars
        st.integers(0, 2),  # unpriced
    ),
    min_size=1,
    max_size=40,
)


def columns_of(rows: list[tuple[int, int, int, int, float, int]]) -> Columns:
    agent, task, outcome, attempts, usd, unpriced = (np.array(column) for column in zip(*rows, strict=True))
    seen: dict[tuple[int, int], int] = {}
    n = [seen.setdefault((a, t), 0) for a, t in zip(agent, task, strict=True)]
    for place, key in enumerate(zip(agent.tolist(), task.tolist(), strict=True)):
        seen[key] += 1
        n[place] = seen[key]
    return from_codes(
        {
            "agent": agent,
            "task": task,
            "n": np.array(n),
            "outcome": outcome,
            "attempts": attempts,
            "known_usd": usd,
            "unpriced": np.minimum(unpriced, attempts),
            "sandbox_s_all": attempts * 60.0,
            "agent_s": attempts * 50.0,
            "patch_bytes": np.full(len(agent), 10),
        },
        runs=("run",),
        agents=("a", "b"),
        tasks=tuple("tuvwxy"),
    )


ONE = columns_of([(0, 0, SOLVED, 1, 1.0, 0), (0, 1, NOT_SOLVED, 2, 3.0, 0), (0, 2, SOLVED, 1, 2.0, 0)])


def test_all_attempts_sandboxes_and_reviews_are_in_it_rejected_patches_too() -> None:
    rates = Rates(sandbox_usd_per_minute=0.5, review_usd_per_minute=2, review_minutes_per_patch=3)
    found = cost_per_task(ONE, "a", rates)
    assert [(part.name, part.counted, part.known_usd) for part in found.parts] == [
        ("model", True, 6.0),
        ("sandbox", True, 4 * 0.5),
        ("ci", False, 0.0),
        ("review", True, 3 * 3 * 2.0),
    ]
    assert found.per_completed is not None
    assert found.per_completed.usd == pytest.approx((6 + 2 + 18) / 2)
    assert (found.attempts, found.completed, found.unknown_share, found.total_usd) == (4, 2, 0.0, 26.0)


def test_a_rate_for_review_without_minutes_is_unknown_and_not_nothing() -> None:
    found = cost_per_task(ONE, "a", Rates(review_usd_per_minute=2))
    assert found.per_completed is None
    assert (found.total_usd, found.unknown_share, found.at_least_usd) == (None, 1.0, 3.0)


def test_the_share_that_is_unknown_reckons_unknown_attempts_like_known_ones() -> None:
    found = cost_per_task(columns_of([(0, 0, SOLVED, 4, 3.0, 1)]), "a", Rates())
    assert found.unknown_share == pytest.approx(1 / 4)


def test_nothing_completed_has_no_figure_and_no_upper_end() -> None:
    found = cost_per_task(columns_of([(0, task, NOT_SOLVED, 1, 1.0, 0) for task in range(6)]), "a", Rates())
    assert found.per_completed is not None
    assert (found.per_completed.usd, found.per_completed.high) == (None, math.inf)
    assert found.per_completed.low > 0.5


def test_per_accepted_change_takes_a_decision_on_every_solved_trial() -> None:
    def review(task: str, accepted: bool, minutes: float | None = None) -> Reviews:
        return {("a", task, 1): Acceptance(agent="a", task=task, accepted=accepted, review_minutes=minutes)}

    part = cost_per_task(ONE, "a", Rates(), review("t", True))
    assert (part.per_accepted, part.accepted, part.undecided) == (None, 1, 1)
    rates = Rates(review_usd_per_minute=1, review_minutes_per_patch=2)
    whole = cost_per_task(ONE, "a", rates, review("t", True, 7) | review("v", False))
    assert whole.per_accepted is not None
    assert whole.per_accepted.usd == pytest.approx(6 + 7 + 2 + 2)
    assert cost_per_task(ONE, "a", Rates()).accepted is None


@settings(max_examples=60)
@given(ROWS, st.data())
def test_an_unknown_price_never_lowers_a_cost(
    rows: list[tuple[int, int, int, int, float, int]], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(rows) - 1))
    agent, task, outcome, attempts, usd, unpriced = rows[place]
    fewer = [*rows]
    fewer[place] = (agent, task, outcome, attempts, usd, 0)
    more = [*rows]
    more[place] = (agent, task, outcome, attempts, usd, max(1, unpriced))
    name = "ab"[agent]
    known, unknown = (cost_per_task(columns_of(some), name, Rates()) for some in (fewer, more))
    assert unknown.known_usd == pytest.approx(known.known_usd)
    assert unknown.unknown_share >= known.unknown_share
    assert unknown.per_completed is None
    assert unknown.total_usd is None
    if known.total_usd is not None:
        assert known.total_usd == known.known_usd


@settings(max_examples=25)
@given(ROWS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_that_of_tasks_changes_anything(
    rows: list[tuple[int, int, int, int, float, int]], random: object
) -> None:
    columns = columns_of(rows)
    order = np.arange(len(rows))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = columns.where(order)
    for name in columns.contenders():
        one, other = (cost_per_task(some, name, Rates()) for some in (columns, turned))
        if one.per_completed and other.per_completed:
            assert one.per_completed.low == pytest.approx(other.per_completed.low)
            assert one.per_completed.usd == pytest.approx(other.per_completed.usd)
    straight, shuffled = (candidates(some, Rates()) for some in (columns, turned))
    for first, second in zip(straight, shuffled, strict=True):
        assert [value is None for value in first.figures] == [value is None for value in second.figures]
    samples = [resampled_figures(some, Rates(), repetitions=20) for some in (columns, turned)]
    assert np.allclose(samples[0], samples[1], equal_nan=True)


def test_escalating_solves_what_either_solves_and_pays_for_both_only_where_the_first_fails() -> None:
    rows = [(0, 0, SOLVED, 1, 0.1, 0), (0, 1, NOT_SOLVED, 1, 0.1, 0), (0, 2, NOT_SOLVED, 1, 0.1, 0)]
    rows += [(1, 0, NOT_SOLVED, 1, 2.0, 0), (1, 1, SOLVED, 1, 2.0, 0), (1, 2, NOT_SOLVED, 1, 2.0, 0)]
    found = route(columns_of(rows), ("a", "b"), Rates())
    assert found.rate is not None
    assert (found.rate.mean, found.escalated) == pytest.approx((2 / 3, 2 / 3))
    assert found.cost_per_task_usd == pytest.approx(0.1 + 2.0 * 2 / 3)
    assert found.per_completed is not None
    assert found.per_completed.usd == pytest.approx((0.3 + 4.0) / 2)


def test_what_is_not_asked_needs_no_price_and_what_is_asked_does() -> None:
    rows = [(0, 0, SOLVED, 1, 0.1, 0), (1, 0, SOLVED, 1, 0.0, 1)]
    spared = route(columns_of(rows), ("a", "b"), Rates())
    assert spared.cost_per_task_usd == pytest.approx(0.1)
    asked = route(columns_of(rows), ("b", "a"), Rates())
    assert (asked.cost_per_task_usd, asked.per_completed) == (None, None)


def test_every_way_to_pick_one_trial_of_each_is_in_the_route() -> None:
    rows = [(0, 0, outcome, 1, usd, 0) for outcome, usd in ((SOLVED, 1.0), (NOT_SOLVED, 3.0))]
    rows += [(1, 0, outcome, 1, 10.0, 0) for outcome in (SOLVED, SOLVED, NOT_SOLVED)]
    found = route(columns_of(rows), ("a", "b"), Rates())
    assert found.rate is not None
    assert found.rate.mean == pytest.approx(1 - 1 / 2 * 1 / 3)
    assert found.cost_per_task_usd == pytest.approx(2.0 + 10 / 2)
