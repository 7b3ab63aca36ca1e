"""How far a run is and whether anybody is at work on it, from its files alone."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.report.fakerun import CONTROLS, FakeTrial, agent, by_chance, make_run, make_suite, simple_tasks, write_trial

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.summary import summarise
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.store.presence import NAME, working_in
from worktrial.store.run import RunDir
from worktrial.view.state import details, estimate, look

OUTCOMES = by_chance({"alpha": 0.3, "beta": 0.9}, {"alpha": 0.1, "beta": 0.3})


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run of four tasks and 16 trials, of which none has begun."""
    suite = make_suite(tmp_path / "suite", simple_tasks(4))
    agents = [agent("alpha"), agent("beta"), *CONTROLS]
    return make_run(tmp_path / "run", suite, agents, 1, lambda *_: FakeTrial("unfinished"))


def note(run: RunDir, event: str, ago_s: float = 0, **more: Any) -> None:
    entry = {"at": now() - timedelta(seconds=ago_s), "event": event, **more}
    run.journal.append(JournalEntry.model_validate(entry))


def begin(run: RunDir, agent: str, task: int = 0, ago_s: float = 0) -> dict[str, Any]:
    trial = {"agent": agent, "task": run.request().tasks[task], "n": 1}
    note(run, "begun", ago_s, **trial)
    return trial


def end(run: RunDir, agent: str, task: int = 0, agent_s: float = 10.0, **more: Any) -> None:
    name = run.request().tasks[task]
    write_trial(run.trial_dir(agent, name, 1), FakeTrial(agent_s=agent_s, **more))
    note(run, "trial", agent=agent, task=name, n=1, outcome="solved", overhead_s=0.0)


def leave(run: RunDir) -> None:
    """Leave behind what somebody does who was at work and is gone."""
    with working_in(run.path):
        pass


@pytest.mark.parametrize(
    ("event", "why", "kind", "words"),
    [
        ("finished", "", "finished", "Finished: 0 of 16 trials finished"),
        ("drained", "interrupted", "interrupted", "Interrupted: 0 of 16 trials finished"),
        ("drained", "", "interrupted", "Interrupted: 0 of 16 trials finished"),
        ("drained", "budget", "out_of_budget", "Out of budget: 0 of 16 trials finished"),
        ("trial", "", "stopped", "Stopped without finishing: 0 of 16 trials finished"),
        ("started", "", "stopped", "Stopped without finishing: 0 of 16 trials finished"),
    ],
)
def test_a_run_that_nobody_works_on_is_over_in_the_way_its_journal_says(
    run: RunDir, event: str, why: str, kind: str, words: str
) -> None:
    note(run, "started")
    note(run, event, why=why)
    leave(run)
    state = look(run)
    assert (state.kind, state.words) == (kind, words)
    assert not state.under_way


def test_a_run_without_a_journal_or_a_sign_of_life_is_none_that_goes_on(run: RunDir) -> None:
    state = look(run)
    assert (state.kind, state.seen_at) == ("stopped", None)
    assert "sign of life" not in details(state, summarise(run, KINDS), 0.0, run)


def test_a_run_goes_on_for_as_long_as_its_folder_is_held_elsewhere(run: RunDir) -> None:
    note(run, "started")
    leave(run)
    (run.path / NAME).write_text("another-machine\n")
    assert look(run).kind == "going"
    long_ago = time.time() - 3600
    os.utime(run.path / NAME, (long_ago, long_ago))
    assert look(run).kind == "stopped"


def test_grading_again_does_not_change_how_a_run_ended(run: RunDir) -> None:
    note(run, "started")
    note(run, "finished")
    note(run, "graded", agent="alpha", task=run.request().tasks[0], n=1)
    assert look(run).kind == "finished"


def test_the_last_sign_of_life_is_told_and_how_to_go_on(run: RunDir) -> None:
    note(run, "started", ago_s=7200)
    leave(run)
    three_minutes_ago = time.time() - 180
    os.utime(run.path / NAME, (three_minutes_ago, three_minutes_ago))
    told = details(look(run), summarise(run, KINDS), 0.0, run)
    assert f"last sign of life {now() - timedelta(minutes=3):%Y-%m-%d %H:%M}" in told
    assert "3 min" in told
    assert told.endswith("the same worktrial run … --out run goes on with it")


@pytest.fixture
def held(run: RunDir) -> RunDir:
    """The run, with somebody at work on another machine."""
    note(run, "started", ago_s=100)
    leave(run)
    (run.path / NAME).write_text("another-machine\n")
    return run


def test_trials_under_way_are_those_begun_in_this_session_and_not_over(held: RunDir) -> None:
    begin(held, "alpha", 0, ago_s=90)
    note(held, "resumed", ago_s=80)  # the first was cut off by a kill
    begin(held, "alpha", 1, ago_s=60)
    begin(held, "beta", 1, ago_s=50)
    end(held, "beta", 1)
    begin(held, "beta", 2, ago_s=40)
    trial = begin(held, "beta", 3, ago_s=30)
    write_trial(held.trial_dir(*trial.values()), FakeTrial("ungraded"))
    found = [(one.agent, one.task[:2], one.grading) for one in look(held).under_way]
    assert found == [("alpha", "01", False), ("beta", "02", False), ("beta", "03", True)]
    assert 60 <= look(held).under_way[0].seconds < 75


def test_what_is_left_takes_as_long_as_what_was_done_by_the_time_each_agent_takes(held: RunDir) -> None:
    """In 100 s came two trials of alpha at 10 s and one of beta at 40 s, so that some went on at once or waited."""
    assert estimate(look(held), summarise(held, KINDS)) is None
    for task in (0, 1):
        end(held, "alpha", task, agent_s=10)
    end(held, "beta", 0, agent_s=40)
    found = estimate(look(held), summarise(held, KINDS))
    assert found
    # Left are two of alpha, three of beta, and the controls, which nothing is known of yet: as the contenders' mean.
    left = 2 * 10 + 3 * 40 + 8 * 20
    assert found == pytest.approx(100 * left / 60, rel=0.03)
    assert "about 8 min to go" in details(look(held), summarise(held, KINDS), 0.0, held)


def test_costs_so_far_count_trials_under_way_and_unknown_is_not_zero(held: RunDir) -> None:
    assert details(look(held), summarise(held, KINDS), 0.0, held) == ""
    end(held, "alpha", 0, cost_usd=0.25)
    assert "$0.35 so far" in details(look(held), summarise(held, KINDS), 0.1, held)
    end(held, "beta", 0, cost_usd=None)
    assert "at least $0.35 so far" in details(look(held), summarise(held, KINDS), 0.1, held)


def test_with_no_known_cost_at_all_it_is_unknown(held: RunDir) -> None:
    end(held, "beta", 0, cost_usd=None)
    assert "cost unknown" in details(look(held), summarise(held, KINDS), 0.0, held)
