"""Runs on disk as columns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.report.fakerun import CONTROLS, FakeTrial, Outcomes, agent, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.acceptance import read_acceptance
from worktrial.analyse.columns import outcome_matrix, task_mean_matrix
from worktrial.analyse.summary import outcomes, summarise
from worktrial.analyse.table import collect, trials
from worktrial.errors import FormatError, UsageError
from worktrial.formats.run import AgentConfig
from worktrial.store.files import write_text
from worktrial.store.run import RunDir


def run_of(folder: Path, found: Outcomes, *, tasks: int = 3, repeats: int = 2) -> RunDir:
    suite = make_suite(folder / "suite", simple_tasks(tasks))
    return make_run(folder / "run", suite, [agent("alpha"), *CONTROLS], repeats, found)


def mixed(config: AgentConfig, task: str, n: int) -> FakeTrial:
    if config.kind in KINDS:
        return control(config)
    if task.startswith("01"):
        return FakeTrial("infrastructure", cost_usd=None, cause="provider_error")
    if task.startswith("02") and n == 2:
        return FakeTrial("unfinished")
    return FakeTrial("solved" if n == 1 else "tampered", cost_usd=0.5)


def test_columns_say_what_the_summary_says(tmp_path: Path) -> None:
    run = run_of(tmp_path, mixed)
    columns, summary = collect(run), summarise(run, KINDS)
    assert len(columns) == len(summary.rows)
    for name in ("alpha", "oracle"):
        rows = [row for row in summary.rows if row.agent == name]
        assert np.array_equal(outcome_matrix(columns, name), outcomes(rows, summary.request), equal_nan=True)
    alpha = columns.of("alpha")
    assert alpha.known_usd.sum() == pytest.approx(summary.agents[0].cost.known_usd)
    assert alpha.unpriced.sum() == summary.agents[0].cost.unknown == 2
    assert columns.contenders() == ["alpha"]
    assert task_mean_matrix(columns, ["alpha", "oracle"]).shape == (2, 3)
    with pytest.raises(UsageError, match="no agent 'beta'"):
        columns.of("beta")


def test_for_notebooks_names_are_strings_and_what_is_unknown_is_nan(tmp_path: Path) -> None:
    run_of(tmp_path, mixed)
    found = trials(tmp_path / "run")
    alpha = found["agent"] == "alpha"
    assert found["outcome"][alpha].tolist() == [
        "solved", "tampered", "infrastructure", "infrastructure", "solved", "unfinished",
    ]  # fmt: skip
    assert np.isnan(found["cost_usd"][alpha]).tolist() == [False, False, True, True, False, False]
    assert np.isnan(found["input_tokens"][alpha]).tolist() == [False, False, True, True, False, True]
    assert str(found["started"][0]).startswith("2025-11-18T09:01")
    assert {len(column) for column in found.values()} == {18}


def test_attempts_that_were_killed_or_set_aside_cost_what_the_gateway_recorded(tmp_path: Path) -> None:
    run = run_of(tmp_path, lambda config, task, n: FakeTrial(cost_usd=1.0), tasks=1, repeats=1)
    folder = run.trial_dir("alpha", run.request().tasks[0], 1).path
    killed, unknown = (folder.with_name(f"1.attempt-{k}") for k in (1, 2))
    chat = {"format": "worktrial/gateway@1", "gen_ai.operation.name": "chat"}
    lines = [
        {**chat, "id": "r1", "outcome": "answered", "cost_usd": 0.25, "cost_source": "estimated"},
        {**chat, "id": "r2", "outcome": "rate_limited", "cost_usd": 0.0},
        {**chat, "id": "r3", "outcome": "budget"},
        {"id": "r4", "outcome": "answered"},
    ]
    write_text(killed / "gateway.jsonl", "".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
    alpha = collect(run).of("alpha")
    assert (alpha.attempts[0], alpha.unpriced[0], alpha.untimed[0]) == (2, 0, 1)
    assert (alpha.known_usd[0], alpha.asked_all[0], alpha.failed_all[0]) == (1.25, 2, 1)
    write_text(killed / "gateway.open", json.dumps({"id": "r9"}) + "\n")
    unknown.mkdir()
    alpha = collect(run).of("alpha")
    assert (alpha.attempts[0], alpha.unpriced[0], alpha.known_usd[0]) == (3, 2, 1.25)
    assert np.isnan(alpha.cost_usd[0])
    write_text(killed / "gateway.jsonl", "[1]\n")
    with pytest.raises(FormatError, match="line 1"):
        collect(run)


def test_runs_are_added_up_and_a_strange_folder_is_named(tmp_path: Path) -> None:
    one, other = (run_of(tmp_path / name, mixed, tasks=2, repeats=1) for name in ("x", "y"))
    columns = collect(one, other)
    assert outcome_matrix(columns, "alpha").shape == (2, 2)
    assert len(columns.runs) == 2
    tasks = one.request().tasks
    source = one.trial_dir("alpha", tasks[0], 1).path / "trial.json"
    write_text(one.trial_dir("alpha", tasks[1], 1).path / "trial.json", source.read_text())
    with pytest.raises(FormatError, match="not of this trial"):
        collect(one)


def test_reviews_come_from_json_lines_and_from_csv_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, mixed)
    assert read_acceptance(run) == {}
    line = {"agent": "alpha", "task": "t", "accepted": True, "review_minutes": 4}
    write_text(run.path / "acceptance.jsonl", json.dumps(line) + "\n")
    write_text(run.path / "acceptance.csv", "agent,task,n,accepted,review_minutes\nalpha,t,2,no,\nalpha,u,1,true,2.5\n")
    found = read_acceptance(run)
    assert [(key, one.accepted, one.review_minutes) for key, one in found.items()] == [
        (("alpha", "t", 1), True, 4.0),
        (("alpha", "t", 2), False, None),
        (("alpha", "u", 1), True, 2.5),
    ]
    write_text(run.path / "acceptance.csv", "agent,task,n,accepted\nalpha,t,2,perhaps,extra,fields\n")
    with pytest.raises(FormatError, match=r"acceptance\.csv line 2"):
        read_acceptance(run)
