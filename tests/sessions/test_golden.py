"""Logs that real agents wrote: what was asked, edited, run and committed comes out as it was."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from worktrial.formats.session import Session, SessionCommit
from worktrial.sessions import load

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/*/*/expected.json"))
REPOSITORY = Path("/home/dev/shop")


def materialise(case: Path, folder: Path) -> Path:
    """Make the recorded home below a folder, databases included, and return it."""
    home = folder / "home"
    shutil.copytree(case / "home", home)
    for path in home.rglob("*.db.sql"):
        connection = sqlite3.connect(path.with_suffix(""))
        connection.executescript(path.read_text("utf-8"))
        connection.close()
        path.unlink()
    return home


def sessions(case: Path, home: Path) -> list[Session]:
    """Read the logs as they are found; where aider's is found by its place, that is inside the home."""
    source = load(case.parts[-3])
    repository = home / "shop" if source.name == "aider" else REPOSITORY
    return [session for path in source.find(repository, home) for session in source.read(path, repository)]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case.parts[-3:]))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], Session]:
    expected = json.loads((request.param / "expected.json").read_text("utf-8"))
    found = sessions(request.param, materialise(request.param, tmp_path))
    assert len(found) == 1
    return expected, found[0]


Case = tuple[dict[str, Any], Session]


def test_prompts_come_out_to_the_byte(case: Case) -> None:
    expected, session = case
    assert [turn.prompt for turn in session.turns] == [turn["prompt"] for turn in expected["turns"]]
    assert list(session.prompts()) == [one["prompt"] for one in expected["turns"] if not one["prompt"].startswith("/")]


def test_nothing_of_the_log_is_torn_or_unknown(case: Case) -> None:
    _, session = case
    assert (session.torn, session.unknown) == (0, 0)


def test_edits_come_out_with_their_lines_and_what_became_of_them(case: Case) -> None:
    expected, session = case
    for turn, told in zip(session.turns, expected["turns"], strict=True):
        assert [
            (edit.path, edit.outcome, list(edit.added), list(edit.removed), edit.written and list(edit.written))
            for edit in turn.edits
        ] == [
            (edit["path"], edit["outcome"], edit["added"], edit["removed"], edit["written"]) for edit in told["edits"]
        ]


def test_commands_come_out_as_they_were_run(case: Case) -> None:
    expected, session = case
    for turn, told in zip(session.turns, expected["turns"], strict=True):
        assert [command.text for command in turn.commands] == told["commands"]
        told_codes = (None,) if session.source == "aider" else (0,)  # aider does not write them down
        assert all(command.exit_code in told_codes for command in turn.commands)


def test_every_commit_is_found_in_the_turn_that_made_it(case: Case) -> None:
    expected, session = case
    for turn, told in zip(session.turns, expected["turns"], strict=True):
        assert _full(turn.commits, told["commits"]) == [commit["sha"] for commit in told["commits"]]


def test_model_usage_and_place_are_told(case: Case) -> None:
    _, session = case
    assert session.models() != ()
    assert (session.usage.input_tokens or 0) > 0
    assert (session.usage.output_tokens or 0) > 0
    assert session.cwd is not None
    assert session.cwd.endswith("/shop")
    assert session.id
    assert session.started_at is not None


def _full(found: tuple[SessionCommit, ...], known: list[dict[str, str]]) -> list[str]:
    """Return each commit found under its full name; under its own where there is no such commit."""
    return [next((commit["sha"] for commit in known if commit["sha"].startswith(one.sha)), one.sha) for one in found]


def test_golden_logs_hold_no_trace_of_the_machine_they_were_made_on() -> None:
    traces = [f"{Path.home()}/", socket.gethostname(), f"{Path(__file__).parents[2]}/"]
    for path in GOLDEN.rglob("*"):
        if path.is_file():
            text = path.read_text("utf-8")
            assert not [trace for trace in traces if trace in text], path
