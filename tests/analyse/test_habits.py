"""Tool use against solving."""

from __future__ import annotations

from worktrial.analyse.habits import habits
from worktrial.analyse.summary import Outcome, TrialRow
from worktrial.formats.trial import ToolUse


def row(task: str, outcome: Outcome, tested: int, *, agent: str = "alpha", known: bool = True) -> TrialRow:
    use = ToolUse(calls={"edit": 2, "run_test": tested}, tests_after_last_edit=tested)
    return TrialRow(agent, task, 1, outcome, steps=5 + tested, tool_use=use if known else None)


def test_trials_that_ran_tests_after_the_last_edit_are_held_against_the_others() -> None:
    rows = [row("a", "solved", 1), row("b", "solved", 3), row("c", "not_solved", 1), row("d", "not_solved", 0)]
    found = habits("alpha", rows)
    assert found
    assert (found.solved, found.not_solved) == (2, 2)
    assert found.tested
    assert found.untested
    assert found.tested.mean == 2 / 3
    assert found.tested.tasks == 3
    assert found.untested.mean == 0
    assert found.untested.tasks == 1
    assert list(found.calls) == [("edit", 2, 2), ("run_test", 2, 0.5)]
    assert list(found.steps) == [7, 5.5]


def test_what_is_not_known_not_graded_or_of_another_agent_does_not_count() -> None:
    rows = [
        row("a", "solved", 1),
        row("b", "infrastructure", 0),
        row("c", "not_solved", 0, known=False),
        row("d", "not_solved", 0, agent="beta"),
    ]
    found = habits("alpha", rows)
    assert found
    assert (found.solved, found.not_solved) == (1, 0)
    assert found.untested is None
    assert list(found.steps) == [6, None]
    assert habits("alpha", rows[1:]) is None


def test_trials_of_a_task_are_taken_together() -> None:
    rows = [row("a", "solved", 1), row("a", "not_solved", 1), row("b", "solved", 1)]
    found = habits("alpha", rows)
    assert found
    assert found.tested
    assert (found.tested.mean, found.tested.tasks, found.tested.trials) == (0.75, 2, 3)
