"""Solve rates by what tasks are like."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.fakerun import agent

from worktrial.analyse.intervals import Outcomes, solve_rate
from worktrial.analyse.splits import UNKNOWN, Group, Split, TaskFacts, splits

AGENTS = [agent("alpha"), agent("beta", cutoff="2025-06-01")]
FACTS = [
    TaskFacts("a", "python", "bug_fix", "small", 8, 0.0, None, date(2025, 5, 1)),
    TaskFacts("b", "python", "bug_fix", "large", 500, 0.4, "opus-4", date(2025, 6, 1)),
    TaskFacts("c", "go", "new_code", "small", 30, 1.0, "opus-4", date(2025, 7, 1)),
    TaskFacts("d"),
]


def outcomes(*solved: float) -> Outcomes:
    return np.array(solved, dtype=np.float64)[:, None]


@pytest.fixture
def found() -> dict[str, Split]:
    given = {"alpha": outcomes(1, 0, 1, np.nan), "beta": outcomes(1, 1, 0, 0)}
    return {split.name: split for split in splits(given, AGENTS, FACTS)}


def labels(split: Split) -> list[tuple[str, int]]:
    return [(group.label, group.tasks) for group in split.groups]


def rate(group: Group, name: str) -> float | None:
    one = group.rates[name]
    return one.mean if one else None


def test_each_property_makes_groups_in_its_own_order_with_the_unknown_last(found: dict[str, Split]) -> None:
    assert labels(found["Kind of work"]) == [("bug fix", 2), ("new code", 1), (UNKNOWN, 1)]
    assert labels(found["Difficulty"]) == [("small", 2), ("large", 1), (UNKNOWN, 1)]
    assert labels(found["Language"]) == [("python", 2), ("go", 1), (UNKNOWN, 1)]
    sizes = [("up to 10 lines", 1), ("11 to 50 lines", 1), ("over 200 lines", 1), (UNKNOWN, 1)]
    assert labels(found["Size of the solution"]) == sizes
    shares = [("none", 1), ("up to half", 1), ("all of it", 1), (UNKNOWN, 1)]
    assert labels(found["Share of the solution that an AI wrote"]) == shares
    assert labels(found["Model that wrote the solution"]) == [("opus-4", 2), (UNKNOWN, 2)]


def test_a_groups_rate_is_that_of_its_tasks_and_nothing_graded_is_no_rate(found: dict[str, Split]) -> None:
    fixes, new, unknown = found["Kind of work"].groups
    assert (rate(fixes, "alpha"), rate(new, "alpha"), rate(unknown, "alpha")) == (0.5, 1.0, None)
    assert fixes.rates["beta"] == solve_rate(outcomes(1, 1))


def test_the_date_is_held_against_each_agents_own_cutoff_and_without_one_it_says_so(found: dict[str, Split]) -> None:
    after, before, unknown = found["Date it landed"].groups
    assert (rate(after, "beta"), rate(before, "beta"), rate(unknown, "beta")) == (0.0, 1.0, 0.0)
    assert (after.rates["alpha"], before.rates["alpha"]) == (None, None)
    assert rate(unknown, "alpha") == pytest.approx(2 / 3)
    assert "cutoff" in found["Date it landed"].unknown_hint


def test_a_split_tells_something_when_two_groups_are_known(found: dict[str, Split]) -> None:
    assert found["Language"].telling
    assert not found["Model that wrote the solution"].telling


@given(st.permutations(range(6)))
def test_the_order_of_tasks_changes_nothing(order: list[int]) -> None:
    facts = [TaskFacts(str(n), ("python", "go")[n % 2], lines=n * 40) for n in range(6)]
    table = np.array([[1, 0], [1, 1], [0, 0], [np.nan, 1], [0, 1], [1, 1]], dtype=np.float64)
    straight = splits({"alpha": table}, AGENTS[:1], facts)
    assert splits({"alpha": table[order]}, AGENTS[:1], [facts[n] for n in order]) == straight


@given(st.lists(st.sampled_from([None, "go", "c", "python", *"abcdefghi"]), min_size=1, max_size=40))
def test_every_task_is_in_one_group_however_many_there_are(languages: list[str | None]) -> None:
    facts = [TaskFacts(str(n), language) for n, language in enumerate(languages)]
    split = splits({"alpha": np.ones((len(facts), 1))}, AGENTS[:1], facts)[2]
    assert sum(group.tasks for group in split.groups) == len(facts)
    assert sum(one.tasks for group in split.groups if (one := group.rates["alpha"])) == len(facts)
