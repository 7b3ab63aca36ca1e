"""What tests print, and what agents leave, holds no key and no address in anything but the patch that is graded."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import tomli_w
from tests.e2e.workshop import Shell
from tests.redaction.planted import Maker, Planted, assignments, keys

_MAKE = Maker(11)
PLANTED: list[Planted] = [*keys(_MAKE), *assignments(_MAKE)]
PLANTED += [Planted(f"ask {name}.x@kontor.io", f"{name}.x@kontor.io") for name in ("ada", "bea", "cem")]
HARMLESS = "3f786850e387550fdab836ed7e6dc881de23001b and 550e8400-e29b-41d4-a716-446655440000"
PRINTS = f"""
def title(name):
    for line in {[item.line for item in PLANTED]!r}:
        print(line)
    print({HARMLESS!r})
    return name.upper()
"""


def held(text: str) -> list[str]:
    return [item.value for item in PLANTED if item.value in text]


@pytest.fixture
def run(suite: Path, shell: Shell) -> Path:
    """Return a run of an agent that prints secrets, leaves a program that does, and fails with one in its complaint."""
    script = f"cat > shop/names.py <<'EOF'\n{PRINTS}EOF\ncat shop/names.py\n"
    tables = {"loud": {"kind": "command", "command": ["sh", "-c", script]}}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": tables}))
    ended = shell("run", suite, "--agent", "loud", "--no-controls", "--task", "fix", "--out", "run", "--json")
    assert ended.code == 0, ended.err
    return shell.folder / "run"


def written(trial: Path) -> dict[str, str]:
    """Return all texts of a trial by name."""
    return {
        path.relative_to(trial).as_posix(): path.read_bytes().decode("utf-8", "replace")
        for path in trial.rglob("*")
        if path.is_file()
    }


def test_only_the_patch_holds_what_was_planted_and_the_report_shows_none_of_it(run: Path, shell: Shell) -> None:
    trial = run / "trials/loud/fix/1"
    files = written(trial)
    assert len(held(files.pop("patch.diff"))) == len(PLANTED)  # to the byte, as it is graded again
    assert {name: held(text) for name, text in files.items() if held(text)} == {}
    for name in ("logs/tests.log", "results.xml", "logs/agent.log"):
        assert HARMLESS in files[name], name
        assert "[stripe-key-1]" in files[name], name
    listed = [json.loads(line) for line in files["redactions.jsonl"].splitlines()]
    assert {item["where"] for item in listed} == {"logs/agent.log", "logs/tests.log", "trajectory.json"}
    assert len(listed) == len({(item["where"], item["kind"]) for item in listed})
    assert ET.fromstring(files["results.xml"]).tag == "testsuite"

    assert shell("report", run, "--out", "site").code == 0
    pages = written(shell.folder / "site")
    assert any("[stripe-key-1]" in text for text in pages.values())
    assert {name: held(text) for name, text in pages.items() if held(text)} == {}


def test_grading_again_lists_what_it_replaced_once_and_shows_all_where_that_is_asked_for(
    run: Path, suite: Path, shell: Shell
) -> None:
    trial = run / "trials/loud/fix/1"
    before = written(trial)
    assert shell("grade", run).code == 0
    assert written(trial)["redactions.jsonl"] == before["redactions.jsonl"]
    assert json.loads(before["verdict.json"])["cause"] == "tests_failed"

    assert shell("grade", run, "--no-redact").code == 0
    after = written(trial)
    assert len(held(after["logs/tests.log"])) == len(PLANTED)
    assert held(after["logs/agent.log"]) == []  # what is gone stays so
    assert "logs/tests.log" not in {json.loads(line)["where"] for line in after["redactions.jsonl"].splitlines()}

    info = suite / "suite.toml"
    info.write_text(info.read_text() + "redacted = false\n")
    assert shell("grade", run).code == 0
    assert len(held(written(trial)["logs/tests.log"])) == len(PLANTED)
    assert shell("report", run, "--out", "site").code == 0
    assert any(held(text) for text in written(shell.folder / "site").values())
