"""`run --dry-run`: the plan, from what was run before, with nothing run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.e2e.workshop import Shell

from worktrial.analyse.forecast import Range
from worktrial.cli.dry_run import _time


def test_without_a_past_it_says_what_is_unknown_and_makes_nothing(suite: Path, shell: Shell, tmp_path: Path) -> None:
    fresh = {"WORKTRIAL_CACHE": str(tmp_path / "fresh")}
    ended = shell("run", suite, "--agent", "nop", "--out", "out", "--trials", "2", "--dry-run", env=fresh)
    assert ended.code == 0
    assert not (shell.folder / "out").exists()
    assert "no past trials" in ended.err
    assert "2 tasks x 2" in ended.err


def test_it_plans_from_trials_made_before_and_counts_those_that_are_left(suite: Path, shell: Shell) -> None:
    # Six trials each: enough not to take those on other suites too, of which the cache may hold some.
    asked = ("run", suite, "--agent", "nop", "--agent", "oracle", "--trials", "3", "--json")
    assert shell(*asked, "--out", "first").code == 0
    ended = shell(*asked, "--out", "second", "--dry-run")
    plan = ended.json["agents"]["nop"]
    assert plan["trials_left"] == 6
    assert plan["basis"] == "6 past trials on this suite"
    assert 0 <= plan["wall_s"]["low"] <= plan["wall_s"]["expected"] <= plan["wall_s"]["high"]
    assert plan["cost_usd"] == {"low": 0.0, "expected": 0.0, "high": 0.0}
    assert shell(*asked, "--out", "first", "--dry-run").json["agents"]["oracle"]["trials_left"] == 0


def test_the_smallest_difference_that_can_be_shown_is_told(suite: Path, shell: Shell) -> None:
    ended = shell("run", suite, "--agent", "nop", "--out", "out", "--trials", "3", "--dry-run", "--json")
    assert 0 < ended.json["detectable_difference"] <= 1


def test_what_the_run_would_refuse_is_told_with_the_plan(suite: Path, shell: Shell) -> None:
    """A key that is not there, or a budget over a model without a price, is found before anybody counts on the run."""
    asked = ("run", suite, "--agent", "basic:gpt-5-mini", "--out", "out", "--dry-run")
    ended = shell(*asked, env={"OPENAI_API_KEY": ""})
    assert ended.code == 0
    assert "as it stands, the run would be refused: agent basic-gpt-5-mini has no key" in ended.err
    assert "hint: export OPENAI_API_KEY" in ended.err
    assert "has no key" in shell(*asked, "--json", env={"OPENAI_API_KEY": ""}).json["refused"]
    with_key = shell(*asked, "--json", env={"OPENAI_API_KEY": "sk-1"})
    assert with_key.json["refused"] is None
    no_price = ("run", suite, "--agent", "basic:nobodys-model", "--budget", "1", "--out", "out", "--dry-run")
    assert "no price is known for model" in shell(*no_price, env={"OPENAI_API_KEY": "sk-1"}).err


def test_how_to_learn_what_is_unknown_is_told(suite: Path, shell: Shell, tmp_path: Path) -> None:
    fresh = {"WORKTRIAL_CACHE": str(tmp_path / "fresh")}
    asked = ("run", suite, "--agent", "nop", "--out", "out", "--dry-run")
    assert "stop it with Ctrl-C, and ask again" in shell(*asked, env=fresh).err
    assert shell("run", suite, "--agent", "nop", "--out", "out").code == 0
    assert "stop it with Ctrl-C" not in shell(*asked).err


def test_on_eighty_columns_every_agent_has_one_line_for_its_time_and_cost(suite: Path, shell: Shell) -> None:
    asked = ("run", suite, "--agent", "nop", "--agent", "oracle", "--trials", "3")
    assert shell(*asked, "--out", "first").code == 0
    said = shell(*asked, "--out", "second", "--dry-run", env={"COLUMNS": "80"}).err
    assert re.search(r"^nop +6 +\d+ s \(\d+ … \d+\) +\$0\.00 \(0\.00 … 0\.00\)", said, re.MULTILINE), said


@pytest.mark.parametrize(
    ("expected_s", "said"),
    [(0.3, "0 s (0 … 1)"), (100, "100 s (50 … 200)"), (420, "7 min (4 … 14)"), (7200, "2 h (1 … 4)")],
)
def test_times_are_told_no_finer_than_they_are_known(expected_s: float, said: str) -> None:
    assert _time(Range(expected_s / 2, expected_s, expected_s * 2)) == said
