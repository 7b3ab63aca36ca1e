"""What the files of a run add up to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.report.fakerun import CONTROLS, FakeTrial, Outcomes, agent, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.decision import caveats
from worktrial.analyse.reading import read_run
from worktrial.analyse.summary import RunSummary, agents_json, summarise, summary_of
from worktrial.analyse.table import columns_of
from worktrial.errors import FormatError
from worktrial.formats.run import AgentConfig
from worktrial.store.files import write_text
from worktrial.store.run import RunDir

ALPHA = agent("alpha")


def run_of(folder: Path, agents: list[AgentConfig], outcomes: Outcomes, *, tasks: int = 4, trials: int = 2) -> RunDir:
    suite = make_suite(folder / "suite", simple_tasks(tasks))
    return make_run(folder / "run", suite, agents, trials, outcomes)


def summed_up(folder: Path, outcomes: Outcomes, *, tasks: int = 4, trials: int = 2) -> RunSummary:
    return summarise(run_of(folder, [ALPHA, *CONTROLS], outcomes, tasks=tasks, trials=trials), KINDS)


def by_trial(*trials: FakeTrial) -> Outcomes:
    """Give alpha's trials in order, the last one again and again."""
    left = list(trials)

    def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
        if config.kind in KINDS:
            return control(config)
        return left.pop(0) if len(left) > 1 else left[0]

    return outcome


def test_the_figures_of_json_count_trials_and_give_the_rate_of_task_means(tmp_path: Path) -> None:
    lost = FakeTrial("not_solved")
    failed = FakeTrial("infrastructure", cause="provider_error")
    summary = summed_up(tmp_path, by_trial(FakeTrial(), failed, FakeTrial(), lost, lost, lost, failed, failed))
    figures = agents_json(summary)["agents"]
    assert list(figures) == ["alpha", "oracle", "nop"]
    alpha = figures["alpha"]
    assert alpha["rate"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert alpha["ci95"][0] < alpha["rate"] < alpha["ci95"][1]
    assert {key: alpha[key] for key in ("tasks", "trials", "solved", "infrastructure")} == {
        "tasks": 4,
        "trials": 8,
        "solved": 2,
        "infrastructure": 3,
    }
    assert (figures["oracle"]["rate"], figures["nop"]["rate"]) == (1.0, 0.0)


def test_a_trial_that_was_tampered_with_counts_as_not_solved_and_is_counted_apart(tmp_path: Path) -> None:
    summary = summed_up(tmp_path, by_trial(FakeTrial(), FakeTrial("tampered", cause="twin_passed")))
    alpha = summary.agents[0]
    assert alpha.tampered == 7
    assert alpha.solved == 1
    assert alpha.rate is not None
    assert alpha.rate.trials == 8
    assert any("tampered" in caveat for caveat in caveats(summary))


def test_an_agent_without_a_graded_trial_has_no_rate(tmp_path: Path) -> None:
    alpha = agents_json(summed_up(tmp_path, by_trial(FakeTrial("infrastructure"))))["agents"]["alpha"]
    assert (alpha["rate"], alpha["ci95"], alpha["infrastructure"]) == (None, None, 8)


def test_trials_that_are_missing_or_not_graded_are_in_no_denominator(tmp_path: Path) -> None:
    outcomes = by_trial(FakeTrial(), FakeTrial("ungraded"), FakeTrial("unfinished"))
    alpha = summed_up(tmp_path, outcomes).contenders[0]
    assert (alpha.trials, alpha.ungraded, alpha.unfinished) == (2, 1, 6)
    assert alpha.rate is not None
    assert (alpha.rate.mean, alpha.rate.trials) == (1.0, 1)


def test_one_unknown_cost_makes_the_total_unknown_and_the_known_part_a_lower_bound(tmp_path: Path) -> None:
    alpha = summed_up(tmp_path, by_trial(FakeTrial(cost_usd=None), FakeTrial(cost_usd=0.5))).contenders[0]
    assert (alpha.cost.total_usd, alpha.cost_per_trial_usd) == (None, None)
    assert (alpha.cost.known_usd, alpha.cost.unknown) == (3.5, 1)
    assert alpha.input_tokens is None


def test_failed_and_repeated_attempts_cost_too(tmp_path: Path) -> None:
    outcomes = by_trial(FakeTrial(cost_usd=1.0), FakeTrial("infrastructure", cost_usd=1.0), FakeTrial(cost_usd=1.0))
    run = run_of(tmp_path, [ALPHA], outcomes, tasks=2)
    again = next(iter(run.trial_dirs()))
    trial = again.trial()
    assert trial is not None
    again.set_aside()
    again.write_trial(trial)
    alpha = summarise(run, KINDS).contenders[0]
    assert (alpha.trials, alpha.cost.attempts, alpha.cost.total_usd) == (4, 5, 5.0)


def test_a_killed_attempt_leaves_the_cost_unknown(tmp_path: Path) -> None:
    run = run_of(tmp_path, [ALPHA], by_trial(FakeTrial(cost_usd=1.0)), tasks=2)
    write_text(run.path / "trials/alpha" / run.request().tasks[0] / "1.attempt-1/logs/agent.log", "killed")
    cost = summarise(run, KINDS).contenders[0].cost
    assert (cost.total_usd, cost.known_usd, cost.unknown) == (None, 4.0, 1)


def record(run: RunDir, folder: str, *amounts: float | None) -> None:
    """Write the gateway's record of an attempt of alpha's at its first task: answered requests, with their cost."""
    chat = {"format": "worktrial/gateway@1", "gen_ai.operation.name": "chat", "outcome": "answered"}
    lines = [{**chat, "id": f"r{i}"} | ({} if usd is None else {"cost_usd": usd}) for i, usd in enumerate(amounts)]
    path = run.path / "trials/alpha" / run.request().tasks[0] / folder / "gateway.jsonl"
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))


def test_a_killed_attempt_costs_what_the_gateway_recorded_of_it(tmp_path: Path) -> None:
    run = run_of(tmp_path, [ALPHA], by_trial(FakeTrial(cost_usd=1.0)), tasks=2)
    record(run, "1.attempt-1", 0.25, 0.5)
    cost = summarise(run, KINDS).contenders[0].cost
    assert (cost.attempts, cost.total_usd) == (5, 4.75)
    record(run, "1.attempt-1", 0.25, None)
    cost = summarise(run, KINDS).contenders[0].cost
    assert (cost.total_usd, cost.known_usd, cost.unknown) == (None, 4.25, 1)


def test_a_trial_that_failed_without_saying_what_it_used_costs_what_the_gateway_recorded(tmp_path: Path) -> None:
    failed = FakeTrial("infrastructure", cost_usd=None)
    run = run_of(tmp_path, [ALPHA], by_trial(failed, FakeTrial(cost_usd=1.0)), tasks=2)
    record(run, "1", 0.5)
    summary = summarise(run, KINDS)
    assert summary.contenders[0].cost.total_usd == 3.5
    assert summary.rows[0].cost_usd == 0.5


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["solved", "infrastructure", "unfinished"]), min_size=4, max_size=4),
    st.lists(st.one_of(st.none(), st.floats(0, 2)), min_size=4, max_size=4),
    st.one_of(st.none(), st.lists(st.one_of(st.none(), st.floats(0, 2)), max_size=3)),
)
def test_summary_and_columns_agree_on_every_attempt_and_an_unknown_price_never_lowers_a_cost(
    tmp_path_factory: pytest.TempPathFactory,
    outcomes: list[str],
    amounts: list[float | None],
    killed: list[float | None] | None,
) -> None:
    trials = [FakeTrial(one, cost_usd=usd) for one, usd in zip(outcomes, amounts, strict=True)]  # type: ignore[arg-type]
    run = run_of(tmp_path_factory.mktemp("run"), [ALPHA], by_trial(*trials, FakeTrial()), tasks=2)
    before = summarise(run, KINDS).contenders[0].cost
    if killed is not None:
        record(run, "1.attempt-1", *killed)
    files = read_run(run)
    cost, columns = summary_of(files, KINDS).contenders[0].cost, columns_of(files).of("alpha")
    assert cost.attempts == columns.attempts.sum() == before.attempts + (killed is not None)
    assert cost.known_usd == pytest.approx(columns.known_usd.sum())
    assert cost.unknown == columns.unpriced.sum()
    assert cost.known_usd >= before.known_usd - 1e-12
    assert cost.unknown >= before.unknown
    assert cost.unknown == 0 or cost.total_usd is None


def test_the_best_two_contenders_are_compared_and_controls_never(tmp_path: Path) -> None:
    def outcome(config: AgentConfig, task: str, n: int) -> FakeTrial:
        if config.kind in KINDS:
            return control(config)
        good = {"alpha": 1, "beta": 3, "gamma": 2}[config.name]
        return FakeTrial("solved" if int(task[:2]) < good else "not_solved")

    agents = [ALPHA, agent("beta"), agent("gamma"), *CONTROLS]
    lead = summarise(run_of(tmp_path, agents, outcome), KINDS).lead
    assert lead is not None
    assert (lead.best.name, lead.second.name) == ("beta", "gamma")
    assert lead.paired is not None
    assert lead.paired.difference == pytest.approx(0.25)


def test_a_torn_trial_file_is_named(tmp_path: Path) -> None:
    run = run_of(tmp_path, [ALPHA], by_trial(FakeTrial()))
    path = next(iter(run.trial_dirs())).path / "verdict.json"
    path.write_text('{"format": "worktrial/ver')
    with pytest.raises(FormatError, match=r"verdict\.json"):
        summarise(run, KINDS)


def test_a_trial_in_the_folder_of_another_is_an_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, [ALPHA], by_trial(FakeTrial()))
    first, second, *_ = run.trial_dirs()
    (first.path / "trial.json").write_bytes((second.path / "trial.json").read_bytes())
    with pytest.raises(FormatError, match="not of this trial"):
        summarise(run, KINDS)
