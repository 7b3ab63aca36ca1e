"""Costs, scores and routes as the first page says them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.report.fakerun import CONTROLS, FakeTrial, agent, by_chance, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.formats.config import Configuration, Rates, Thresholds
from worktrial.formats.run import AgentConfig
from worktrial.report.money import cost_views, counted_parts, route_views, score_views, score_words
from worktrial.report.reckoning import Reckoning, reckon
from worktrial.report.site import build
from worktrial.store.run import RunDir

Make = Callable[..., Reckoning]


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """Alpha solves every other task at a tenth of a dollar a trial, beta three of four at half a dollar."""
    suite = make_suite(tmp_path / "suite", simple_tasks(24))

    def outcomes(config: AgentConfig, task: str, n: int) -> FakeTrial:
        if config.kind in KINDS:
            return control(config)
        number = int(task[:2])
        solved = number % 2 == 0 if config.name == "alpha" else number % 4 != 0
        cost = {"alpha": 0.1, "beta": 0.5, "dark": None}[config.name]
        return FakeTrial("solved" if solved else "not_solved", cost_usd=cost, patch=b"x")

    agents = [agent("alpha"), agent("beta"), agent("dark"), *CONTROLS]
    return make_run(tmp_path / "run", suite, agents, 1, outcomes)


def test_failed_trials_are_paid_for_by_the_solved_ones_and_the_unknown_stays_unknown(run: RunDir) -> None:
    views = {view.name: view for view in cost_views(reckon(run, Configuration()))}
    assert (views["alpha"].each, views["alpha"].total, views["alpha"].failed_share) == ("$0.20", "$2.40", "50%")
    assert (views["beta"].each, views["beta"].failed_share) == ("$0.67", "25%")
    assert views["dark"].each == "unknown"
    assert "unknown" in views["dark"].total


def test_a_part_counts_when_it_has_a_rate(run: RunDir) -> None:
    found = reckon(run, Configuration(rates=Rates(review_usd_per_minute=1.0, review_minutes_per_patch=2.0)))
    assert counted_parts(found) == ["Models", "Review by people"]
    alpha = next(view for view in cost_views(found) if view.name == "alpha")
    assert alpha.parts == ("$2.40", "$48.00")
    assert alpha.each == "$4.20"


def test_a_broken_threshold_puts_an_agent_out_and_says_which(run: RunDir) -> None:
    found = reckon(run, Configuration(thresholds=Thresholds(min_correctness=0.6)))
    assert found.scoring
    views = {view.name: view for view in score_views(found.scoring)}
    assert views["alpha"].score == "out"
    assert views["alpha"].out == "Solve rate of 50%, threshold 60%"
    assert views["beta"].out == ""


def test_the_score_says_what_would_change_the_winner(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(24))
    outcomes = by_chance({"alpha": 0.4, "beta": 0.9}, {"alpha": 0.1, "beta": 9.0})
    made = make_run(tmp_path / "run", suite, [agent("alpha"), agent("beta")], 1, outcomes)
    found = reckon(made, Configuration())
    assert found.scoring
    assert re.search(r"alpha wins; moving \d+ points of weight makes beta win", score_words(found.scoring))


def test_the_score_lists_what_nobody_knows_as_a_sentence_does(run: RunDir) -> None:
    found = reckon(run, Configuration())
    assert found.scoring
    scoring = replace(found.scoring, left_out=("cost_per_completed_usd", "cache_hit_rate", "api_reliability"))
    said = "Unknown of all and left out: cost per completed task, cache hit rate and API reliability."
    assert said in score_words(scoring)


def test_asking_the_cheaper_agent_first_is_held_against_each_alone(run: RunDir) -> None:
    views = route_views(reckon(run, Configuration()))
    assert [view.name for view in views] == ["beta alone", "alpha alone", "alpha, then beta"]
    # Alpha's even tasks, and of the odd ones, which are passed on, beta's: all of them.
    assert (views[-1].rate, views[-1].escalated) == ("100%", "50%")
    assert views[-1].each == "$0.35"


def test_the_report_takes_rates_and_thresholds_and_says_all_of_it_in_json(run: RunDir, tmp_path: Path) -> None:
    configuration = Configuration(rates=Rates(review_usd_per_minute=1.0, review_minutes_per_patch=2.0))
    build(run, tmp_path / "out", configuration)
    value = json.loads((tmp_path / "out" / "report.json").read_text())
    assert value["agents"]["alpha"]["cost_per_completed_usd"] == pytest.approx(4.2)
    assert value["agents"]["dark"]["cost_per_completed_usd"] is None
    assert value["agents"]["alpha"]["cost_parts"]["review"] == {"known_usd": 48.0, "unknown": 0}
    assert value["score"]["winner"] is None or value["score"]["winner"] in ("alpha", "beta", "dark")
    assert value["routes"] == []  # with people's time counted the better agent is the cheaper one as well
    assert value["tie_groups"]
    assert {split["by"] for split in value["splits"]} >= {"Kind of work", "Language"}
    assert "Infinity" not in (tmp_path / "out" / "report.json").read_text()
