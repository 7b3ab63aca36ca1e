"""The sentence of decision: never stronger than the run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.report.fakerun import CONTROLS, FakeTrial, agent, by_chance, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.decision import Decision, caveats, decide
from worktrial.analyse.power import more_needed
from worktrial.analyse.reading import AttemptFiles, RunFiles, TrialFiles
from worktrial.analyse.summary import RunSummary, outcomes, summarise, summary_of
from worktrial.formats.base import now
from worktrial.formats.run import AgentConfig, RunLock, RunRequest
from worktrial.formats.trial import Trial, Usage
from worktrial.formats.verdict import Verdict
from worktrial.store.run import RunDir

Solves = Callable[[AgentConfig, str, int], bool | FakeTrial]


@pytest.fixture
def summary(tmp_path: Path) -> Callable[..., RunSummary]:
    """Return the summary of a run in which `solves` says what the contenders solve."""

    def make(names: list[str], tasks: int, solves: Solves, *, trials: int = 1, controls: bool = True) -> RunSummary:
        def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
            found = solves(config, task, n)
            if isinstance(found, FakeTrial):
                return found
            if config.kind in KINDS:
                return control(config)
            return FakeTrial("solved" if found else "not_solved")

        suite = make_suite(tmp_path / "suite", simple_tasks(tasks))
        agents = [agent(name) for name in names] + (CONTROLS if controls else [])
        return summarise(make_run(tmp_path / "run", suite, agents, trials, outcome), KINDS)

    return make


Make = Callable[..., RunSummary]


def number(task: str) -> int:
    return int(task[:2])


def text(decision: Decision) -> str:
    return f"{decision.level}: {decision.sentence}"


def test_a_large_lead_over_many_tasks_is_established(summary: Make) -> None:
    solves = {"alpha": 9, "beta": 21}
    decision = decide(summary(["alpha", "beta"], 24, lambda config, task, n: number(task) < solves.get(config.name, 0)))
    assert text(decision).startswith(
        "established: Take beta: it solved 88% of 24 tasks, 50 points more than alpha \u2013 established"
    )
    assert decision.agent == "beta"
    assert "at 0.4 times the cost per completed task" in decision.sentence


def test_a_small_lead_is_not_and_the_sentence_says_what_could_have_been_seen(summary: Make) -> None:
    solves = {"alpha": 12, "beta": 13}
    decision = decide(summary(["alpha", "beta"], 24, lambda config, task, n: number(task) < solves.get(config.name, 0)))
    assert text(decision).startswith("not_established: No winner yet: beta solved 54%")
    assert re.search(r"\d+ more tasks would show a difference of (5|10) points", decision.sentence)
    assert "at the same cost" in decision.sentence
    assert decision.agent is None


def test_a_difference_out_of_reach_is_not_promised(summary: Make) -> None:
    def solves(config: AgentConfig, task: str, n: int) -> bool:
        return number(task) % 2 == (config.name == "beta") or number(task) == 0

    decision = decide(summary(["alpha", "beta"], 25, solves))
    assert decision.level == "not_established"
    assert re.search(r"only differences of \d+ points or more would show", decision.sentence)


def test_while_nothing_is_established_the_cheaper_agent_is_kept(tmp_path: Path) -> None:
    def outcomes(config: AgentConfig, task: str, n: int) -> FakeTrial:
        solves = {"alpha": 14, "beta": 15}
        solved = number(task) < solves.get(config.name, 0)
        return FakeTrial("solved" if solved else "not_solved", cost_usd={"alpha": 0.1, "beta": 0.5}[config.name])

    suite = make_suite(tmp_path / "suite", simple_tasks(24))
    run = make_run(tmp_path / "run", suite, [agent("alpha"), agent("beta")], 1, outcomes)
    decision = decide(summarise(run, KINDS))
    assert decision.headline == "Keep alpha: beta solved 4 points more, at 4.7 times the cost per completed task"
    assert decision.certainty.startswith("not established (95% CI")
    assert (decision.agent, decision.keep) == (None, "alpha")


def test_agents_that_solve_the_same_are_level(summary: Make) -> None:
    decision = decide(summary(["alpha", "beta"], 24, lambda config, task, n: number(task) < 12))
    assert "alpha and beta are level" in decision.sentence
    assert decision.level == "not_established"


def test_fewer_than_20_tasks_are_a_smoke_test_whatever_p_says(summary: Make) -> None:
    decision = decide(summary(["alpha", "beta"], 15, lambda config, task, n: config.name == "beta"))
    assert text(decision).startswith("smoke_test: No winner yet: beta solved 100%")
    assert "p < .001" in decision.sentence


def test_one_agent_alone_gets_its_rate_and_interval(summary: Make) -> None:
    decision = decide(summary(["alpha"], 24, lambda config, task, n: number(task) < 15))
    assert text(decision).startswith("one_agent: alpha solved 62% of 24 tasks \u2013 95% CI 43% to 80%")


def test_controls_alone_ask_for_an_agent(summary: Make) -> None:
    decision = decide(summary([], 24, lambda config, task, n: False))
    assert decision.level == "controls_only"
    assert "oracle solved 100% and nop solved 0%" in decision.sentence
    assert "--agent" in decision.sentence


def test_an_oracle_that_fails_makes_the_numbers_untrustworthy_and_names_the_tasks(summary: Make) -> None:
    def solves(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        if config.kind == "oracle" and number(task) == 3:
            return FakeTrial("not_solved")
        return config.name == "beta"

    decision = decide(summary(["alpha", "beta"], 24, solves))
    assert text(decision).startswith("untrustworthy: Don't trust these numbers")
    assert "the landed change itself fails 1 of 24 tasks" in decision.sentence
    assert "03-close-the-pager's" in decision.sentence


def test_a_nop_that_solves_makes_the_numbers_untrustworthy(summary: Make) -> None:
    decision = decide(summary([], 5, lambda config, task, n: FakeTrial() if config.kind == "nop" else control(config)))
    assert "changing nothing solves 5 of 5 tasks (nop)" in decision.sentence


def test_an_oracle_whose_tests_ran_out_of_time_is_said_to_be_perhaps_the_machines_fault(summary: Make) -> None:
    def solves(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        late = config.kind == "oracle" and number(task) == 3
        return FakeTrial("not_solved", cause="tests_timed_out") if late else True

    found = caveats(summary(["alpha"], 24, solves))
    assert "ran out of time on 1 task: was the machine busy" in found[0]


def test_infrastructure_failures_of_the_oracle_are_no_fault_of_the_tasks(summary: Make) -> None:
    def solves(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        return FakeTrial("infrastructure") if config.kind == "oracle" and number(task) == 3 else True

    assert decide(summary(["alpha"], 24, solves)).level == "one_agent"


def test_nothing_is_established_before_the_run_is_finished(summary: Make) -> None:
    def solves(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        return FakeTrial("unfinished") if number(task) > 24 else config.name == "beta"

    made = summary(["alpha", "beta"], 30, solves)
    decision = decide(made)
    assert decision.level == "unfinished"
    assert decision.agent is None
    assert "20 of 120 trials not finished" in decision.sentence
    assert any("not finished" in caveat for caveat in caveats(made))


def test_a_run_with_nothing_graded_decides_nothing(summary: Make) -> None:
    decision = decide(summary(["alpha"], 24, lambda config, task, n: FakeTrial("ungraded"), controls=False))
    assert decision.level == "no_data"
    assert "24 not graded" in decision.sentence


def test_a_run_without_controls_says_what_that_leaves_open(summary: Make) -> None:
    found = caveats(summary(["alpha"], 24, lambda config, task, n: True, controls=False))
    assert sum("was not run" in caveat for caveat in found) == 2


def test_the_dearer_agent_is_said_to_be_so(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite", simple_tasks(24))
    outcomes = by_chance({"alpha": 0.1, "beta": 1.0}, {"alpha": 0.1, "beta": 0.5})
    agents = [agent("alpha"), agent("beta")]
    decision = decide(summarise(make_run(tmp_path / "run", suite, agents, 2, outcomes), KINDS))
    assert re.search(r"at [1-3]\.\d times the cost per completed task", decision.sentence)
    assert "2 trials a task" in decision.sentence


def three(solved: Mapping[str, Collection[int]], usd: Mapping[str, float], tasks: int = 40) -> RunSummary:
    """Return the summary of a run in which each agent solves the tasks of these numbers, at that price a trial."""
    configs = tuple(agent(name) for name in solved)
    ids = tuple(f"{place:02}" for place in range(tasks))
    request = RunRequest(suite="s", agents=configs, trials=1, tasks=ids, sandbox="none")
    lock = RunLock(
        worktrial="0", python="3", git="2", sandbox="none", machine="", suite_digest="0", prices="", started_at=now()
    )
    trials = []
    for config in configs:
        for place, task in enumerate(ids):
            usage = Usage(requests=1, cost_usd=usd[config.name], cost_source="metered")
            trial = Trial(
                agent=config.name, task=task, n=1, started_at=now(), ended="completed", usage=usage, sandbox="none"
            )
            found = place in solved[config.name]
            outcome: Literal["solved", "not_solved"] = "solved" if found else "not_solved"
            verdict = Verdict(outcome=outcome, expected=1, passed=int(found), failed={}, graded_at=now())
            attempt = AttemptFiles(Path(config.name, task, "1"), trial, verdict)
            trials.append(TrialFiles(config, task, 1, (attempt,), attempt))
    return summary_of(RunFiles(RunDir(Path("run")), request, lock, tuple(trials)), KINDS)


def test_of_three_that_are_tied_the_cheapest_is_kept_and_the_group_is_named() -> None:
    """Also where it is the third."""
    solved = {"alpha": range(26), "beta": range(25), "gamma": range(2, 26)}
    decision = decide(three(solved, {"alpha": 1.0, "beta": 0.8, "gamma": 0.2}))
    assert decision.keep == "gamma"
    assert decision.headline == "Keep gamma: alpha solved 5.0 points more, at 4.6 times the cost per completed task"
    assert decision.lead is not None
    assert (decision.lead.best.name, decision.lead.second.name) == ("alpha", "gamma")
    assert "alpha, beta and gamma are not told apart" in decision.sentence
    assert "over 2 comparisons" in decision.sentence


def test_a_cheaper_agent_that_is_told_apart_is_not_kept() -> None:
    solved = {"alpha": range(26), "beta": range(24), "gamma": range(8)}
    decision = decide(three(solved, {"alpha": 1.0, "beta": 0.5, "gamma": 0.01}))
    assert decision.keep == "beta"
    assert "gamma solved less" in decision.sentence


def test_a_leader_that_only_the_third_ties_with_is_not_to_be_taken() -> None:
    """Few tasks that only one of the two solves say less than many, so that the one farther behind may be the one that
    is not told apart."""
    solved = {"alpha": range(30), "beta": range(23), "gamma": [*range(13), *range(30, 39)]}
    summary = three(solved, {"alpha": 1.0, "beta": 0.5, "gamma": 0.2})
    decision = decide(summary)
    assert summary.lead is not None
    assert summary.lead.second.name == "beta"
    assert (decision.agent, decision.keep) == (None, "gamma")
    assert "beta solved less" in decision.sentence


def test_a_lead_over_one_is_worth_less_where_more_were_tried() -> None:
    solved = {"alpha": range(26), "beta": range(20), "gamma": [*range(19), 30]}
    usd = {"alpha": 1.0, "beta": 0.5, "gamma": 0.5}
    two = decide(three({name: solved[name] for name in ("alpha", "beta")}, usd))
    assert (two.level, two.agent) == ("established", "alpha")
    more = decide(three(solved, usd))
    assert (more.level, more.keep) == ("not_established", "beta")


def test_all_told_apart_is_established_and_names_the_runner_up() -> None:
    solved = {"alpha": range(35), "beta": range(15), "gamma": range(14)}
    decision = decide(three(solved, {"alpha": 1.0, "beta": 0.2, "gamma": 0.1}))
    assert decision.agent == "alpha"
    assert "50 points more than beta" in decision.sentence
    assert "over 2 comparisons" in decision.sentence


def test_more_tasks_are_those_of_the_power_of_the_comparison() -> None:
    summary = three({"alpha": range(26), "beta": range(25)}, {"alpha": 1.0, "beta": 1.0})
    first, second = (
        outcomes([row for row in summary.rows if row.agent == name], summary.request) for name in ("alpha", "beta")
    )
    more = more_needed(first, second, 0.05)
    assert more is not None
    told = re.search(r"(\d+) more tasks would show a difference of (\d+) points", decide(summary).sentence)
    assert told is not None
    wanted = more_needed(first, second, int(told[2]) / 100)
    assert wanted is not None
    assert int(told[1]) == wanted.tasks


NUMBERS = st.sets(st.integers(0, 24))


@settings(max_examples=25, deadline=None)
@example([({0}, 0.2), ({0, 1, 2, 3, 4, 5}, 0.2)], {0}, 0, "a0", Random(0)).via("one that solves nothing has no price")
@given(
    st.lists(st.tuples(NUMBERS, st.sampled_from([0.2, 0.5, 1.0])), min_size=2, max_size=3),
    NUMBERS,
    st.integers(0, 2),
    st.sampled_from(["a0", "b9"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_agents_changes_nothing_and_a_dominated_one_never_changes_who_is_named(
    found: list[tuple[set[int], float]],
    lost: set[int],
    by: int,
    name: str,
    random: Random,
) -> None:
    solved = {f"b{place}": tasks for place, (tasks, _) in enumerate(found)}
    usd = {f"b{place}": price for place, (_, price) in enumerate(found)}
    before = decide(three(solved, usd, tasks=25))
    order = list(solved)
    random.shuffle(order)
    turned = decide(three({one: solved[one] for one in order}, usd, tasks=25))
    assert turned == before
    master = f"b{by % len(found)}"
    more = solved | {name: solved[master] - lost}
    after = decide(three(more, usd | {name: 1.5 * usd[master]}, tasks=25))
    # The more are tried the less a lead is worth: what was established may be no longer, but nobody else is named.
    assert name not in (after.agent, after.keep)
    assert after.agent in (before.agent, None)
    if before.agent is None:
        assert after.keep in (before.keep, None)


def test_agents_that_all_failed_for_other_reasons_are_said_to_have_no_result_and_why(summary: Make) -> None:
    def fails(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        cause = "provider_error" if number(task) else "sandbox_failed"
        return FakeTrial("infrastructure", cause=cause)

    decision = decide(summary(["alpha", "beta"], 24, fails))
    assert text(decision).startswith(
        "no_data: No result: all 48 trials failed for reasons that are not the agents' \u2013 "
        "the cause was provider error (46); mend it"
    )
    assert "--retry-infrastructure" in decision.sentence


def test_an_agent_without_a_rival_that_has_a_result_is_told_of_that_rival(summary: Make) -> None:
    def fails(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        return FakeTrial("infrastructure", cause="provider_error") if config.name == "beta" else number(task) < 15

    decision = decide(summary(["alpha", "beta"], 24, fails))
    assert decision.level == "one_agent"
    assert "nothing to compare it with: beta has no result: see infrastructure failures" in decision.sentence


def test_with_a_trial_each_on_one_task_a_run_that_goes_on_is_unfinished(summary: Make) -> None:
    def begun(config: AgentConfig, task: str, n: int) -> bool | FakeTrial:
        return config.name == "alpha" if number(task) == 0 else FakeTrial("unfinished")

    decision = decide(summary(["alpha", "beta"], 24, begun))
    assert decision.level == "unfinished"
