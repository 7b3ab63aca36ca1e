"""The controls of every run, what they say aloud, and what the ledger makes of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from tests.e2e.workshop import Shell, lines

from worktrial.analyse.ledger import Ledger
from worktrial.store.suite import Suite

AGENT = ("--agent", "command:true")


def solution_of(suite: Path, task: str) -> Path:
    return suite / "tasks" / task / "solution.patch"


def test_every_run_has_both_controls_once_per_task_and_marks_them(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, *AGENT, "--trials", "2", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    agents = ended.json["agents"]
    assert {name: agents[name]["trials"] for name in agents} == {"command-true": 4, "oracle": 2, "nop": 2}
    assert "oracle (control): solved 100%" in ended.err
    assert ended.json["controls"] == {"present": ["nop", "oracle"], "oracle_fails": {}, "nop_solves": []}
    assert "WARNING" not in ended.err
    marked = json.loads((shell.folder / "run/trials/oracle/fix/1/trial.json").read_text())
    assert marked["control"] is True
    assert "8 of 8 trials are done already" in shell("run", suite, *AGENT, "--trials", "2", "--out", "run").err


def test_controls_that_were_asked_for_are_not_added_again_and_none_can_be_asked_for(suite: Path, shell: Shell) -> None:
    asked = shell("run", suite, "--agent", "oracle", "--trials", "2", "--out", "a", "--json")
    assert {name: one["trials"] for name, one in asked.json["agents"].items()} == {"oracle": 4, "nop": 2}
    none = shell("run", suite, *AGENT, "--no-controls", "--out", "b", "--json")
    assert list(none.json["agents"]) == ["command-true"]
    assert none.json["controls"]["present"] == []


def test_a_run_from_before_controls_goes_on_without(suite: Path, shell: Shell) -> None:
    shell("run", suite, *AGENT, "--no-controls", "--out", "run")
    path = shell.folder / "run/run.toml"
    request = path.read_text()
    assert tomllib.loads(request)["controls"] == []
    path.write_text(request.replace("controls = []\n", ""))  # as it was written then
    ended = shell("run", suite, *AGENT, "--out", "run", "--json")
    assert ended.code == 0, ended.err
    assert "without" in ended.err
    assert list(ended.json["agents"]) == ["command-true"]


def test_controls_at_the_wrong_end_are_said_aloud_with_their_tests(suite: Path, shell: Shell) -> None:
    """The landed change of one task is made to fail, by the machine it runs on; the other's tests decide nothing."""
    task = suite / "tasks/add/task.toml"
    text = task.read_text()
    test = "tests/test_price.py::test_discount"
    assert test in text
    # A test that is not there: nobody can pass it.
    task.write_text(text.replace(test, "tests/test_price.py::test_gone"))
    fix = suite / "tasks/fix/task.toml"
    fix.write_text(
        fix.read_text().replace('tests/test_names.py::test_title"', 'tests/test_names.py::test_title_of_nothing"')
    )
    ended = shell("run", suite, *AGENT, "--out", "run", "--json")
    assert ended.code == 0, ended.err
    assert "WARNING: the landed change does not solve add: tests/test_price.py::test_gone" in ended.err
    assert "WARNING: doing nothing solves fix" in ended.err
    assert ended.json["controls"]["oracle_fails"] == {"add": ["tests/test_price.py::test_gone"]}
    assert ended.json["controls"]["nop_solves"] == ["fix"]


def test_oracles_are_entered_in_the_ledger_once_each(suite: Path, shell: Shell) -> None:
    before = len(lines(suite / "ledger.jsonl"))
    for _ in range(2):
        shell("run", suite, *AGENT, "--out", "run")
    entered = lines(suite / "ledger.jsonl")[before:]
    assert [(entry["record"], entry["source"], entry["failed"]) for entry in entered] == [("run", "oracle", {})] * 2


@pytest.mark.slow
def test_a_test_that_failed_with_the_landed_change_is_left_out_shown_and_comes_back(suite: Path, shell: Shell) -> None:
    kept = Suite(suite)
    ledger = Ledger(kept)
    task = kept.task("fix")
    guarding, deciding = task.tests.pass_to_pass[0], task.tests.fail_to_pass[0]
    ledger.add(task, "oracle", "bad", failed={guarding: "failed"})
    breaks = "printf 'def title(name):\\n    return name[:1].upper() + name[1:] if name else None\\n' > shop/names.py"
    program = shell.folder / "agent.sh"
    program.write_text(f"#!/bin/sh\n{breaks}\n")
    program.chmod(0o755)
    shell("run", suite, "--agent", "command:./agent.sh", "--task", "fix", "--out", "one")
    verdict = json.loads((shell.folder / "one/trials/command-.-agent.sh/fix/1/verdict.json").read_text())
    assert (verdict["outcome"], verdict["quarantined"]) == ("solved", {guarding: "failed"}), verdict
    assert verdict["expected"] == 1
    for number in range(28):
        Ledger(kept).add(task, "oracle", f"good {number}", failed={})
    back = shell("run", suite, "--agent", "command:./agent.sh", "--task", "fix", "--out", "two")
    verdict = json.loads((shell.folder / "two/trials/command-.-agent.sh/fix/1/verdict.json").read_text())
    assert (verdict["outcome"], verdict["quarantined"]) == ("not_solved", {}), back.err
    # The first run keeps to what it was begun with, when it is graded again too.
    shell("grade", "one")
    verdict = json.loads((shell.folder / "one/trials/command-.-agent.sh/fix/1/verdict.json").read_text())
    assert verdict["quarantined"] == {guarding: "failed"}
    Ledger(kept).add(task, "oracle", "worse", failed={deciding: "failed"})
    Ledger(kept).add(task, "oracle", "worse still", failed={deciding: "failed"})
    aside = shell("run", suite, "--agent", "command:./agent.sh", "--out", "three", "--json")
    assert "set aside: fix" in aside.err
    assert aside.json["agents"]["oracle"]["tasks"] == 1
    assert shell("run", suite, *AGENT, "--task", "fix", "--out", "four").is_clean_error("quarantine")


@pytest.mark.slow
def test_a_suite_without_proofs_gets_them_and_stays_the_same_suite(suite: Path, shell: Shell) -> None:
    (suite / "tasks/fix/leaks.json").unlink()
    digest = Suite(suite).digest()
    assert shell("run", suite, *AGENT, "--task", "fix", "--out", "run").code == 0
    proof = Suite(suite).leak_proof("fix")
    assert proof is not None
    assert proof.findings == ()
    assert Suite(suite).digest() == digest
