"""`run --dry-run`: the plan, from what was run before, with nothing run."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.workshop import Shell


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
