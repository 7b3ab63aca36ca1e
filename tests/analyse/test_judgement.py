"""Pass, regress or inconclusive: what the verdicts promise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.fakerun import CONTROLS, FakeTrial, OutcomeKind, agent, control, make_run, make_suite, simple_tasks

from worktrial.agents import CONTROLS as KINDS
from worktrial.analyse.contest import Contestant, contestant, hold
from worktrial.analyse.judgement import Judgement, gap_to_verdict, judge, judge_difference
from worktrial.analyse.paired import Paired, difference_interval
from worktrial.analyse.power import more_needed
from worktrial.analyse.reading import read_run
from worktrial.analyse.summary import summary_of
from worktrial.formats.config import Rates
from worktrial.formats.gate import GateConfig
from worktrial.formats.run import AgentConfig

UNIT = st.floats(-1, 1)


def paired(low: float, difference: float, high: float) -> Paired:
    return Paired(difference, low, high, 0.01 if low > 0 or high < 0 else 0.5, 100, 0.1)


@given(st.tuples(UNIT, UNIT, UNIT), st.floats(0, 1))
def test_the_verdict_is_read_off_the_interval(ends: tuple[float, float, float], margin: float) -> None:
    low, difference, high = sorted(ends)
    verdict = judge_difference(paired(low, difference, high), margin)
    if low > -margin:
        assert verdict == "pass"
    elif high < 0:
        assert verdict == "regress"
    else:
        assert verdict == "inconclusive"


@given(UNIT, st.floats(0.001, 1))
def test_a_verdict_is_never_farther_away_than_the_margin_is_wide(difference: float, margin: float) -> None:
    gap = gap_to_verdict(difference, margin)
    assert margin / 2 <= gap * (1 + 1e-9)
    assert gap <= 1


def verdict_of(random: np.random.Generator, tasks: int, trials: int, loss: float) -> str:
    """Return what a gate with a margin of ten points says of two agents, the second of which solves less by `loss`."""
    chance = random.uniform(0.2, 0.9, (tasks, 1))
    means = [random.binomial(trials, chance - less).mean(axis=1) / trials for less in (0.0, loss)]
    low, high = difference_interval(means[1] - means[0])
    return judge_difference(Paired(float(np.mean(means[1] - means[0])), low, high, 0.0, tasks, 0.1), 0.1)


@pytest.mark.parametrize(("loss", "wrong"), [(0.1, "pass"), (0.0, "regress")])
@pytest.mark.parametrize(("tasks", "trials", "runs"), [(12, 1, 2000), (40, 3, 2000), (100, 3, 150)])
def test_a_wrong_verdict_is_given_in_at_most_about_one_run_of_forty(
    tasks: int, trials: int, runs: int, loss: float, wrong: str
) -> None:
    random = np.random.default_rng(tasks + trials)
    given = sum(verdict_of(random, tasks, trials, loss) == wrong for _ in range(runs))
    assert given / runs <= 0.025 + 2.5 * (0.025 * 0.975 / runs) ** 0.5


@pytest.mark.parametrize("loss", [0.0, 0.15])
def test_over_as_many_tasks_as_were_said_to_be_needed_four_runs_of_five_are_told(loss: float) -> None:
    random = np.random.default_rng(7)
    wanted = []
    for _ in range(40):
        chance = random.uniform(0.2, 0.9, (40, 1))
        first, second = ((random.random((40, 3)) < chance - less).astype(np.float64) for less in (0.0, loss))
        more = more_needed(first, second, gap_to_verdict(-loss, 0.1))
        assert more is not None
        wanted.append(40 + more.tasks)
    told = [verdict_of(random, int(np.median(wanted)), 3, loss) != "inconclusive" for _ in range(300)]
    assert 0.72 <= np.mean(told) <= 0.93


# -- on runs --

Outcomes = Callable[[str, int], FakeTrial]


def trial(outcome: OutcomeKind, cost_usd: float | None = 1.0, agent_s: float = 100.0) -> FakeTrial:
    return FakeTrial(outcome, cost_usd, agent_s, patch=None)


def side_of(folder: Path, tasks: int, outcomes: Outcomes) -> Contestant:
    suite = make_suite(folder.parent / f"suite{tasks}", simple_tasks(tasks))
    ids = suite.task_ids()

    def chosen(config: AgentConfig, task: str, n: int) -> FakeTrial:
        return outcomes(task, ids.index(task)) if config.name == "alpha" else control(config)

    run = make_run(folder, suite, [agent("alpha"), CONTROLS[0]], 1, chosen)
    files = read_run(run)
    summary = summary_of(files, KINDS)
    return contestant(files, summary, summary.agents[0], Rates())


def judged(tmp_path: Path, tasks: int, baseline: Outcomes, run: Outcomes, **limits: float | None) -> Judgement:
    first, second = side_of(tmp_path / "baseline", tasks, baseline), side_of(tmp_path / "run", tasks, run)
    return judge(hold(first, second), first, second, GateConfig.model_validate(limits))


def solving(share: float, **settings: float | None) -> Outcomes:
    def outcome(task: str, number: int) -> FakeTrial:
        return trial("solved" if number % 10 < share * 10 else "not_solved", **settings)  # type: ignore[arg-type]

    return outcome


def verdicts(judgement: Judgement) -> dict[str, str]:
    return {check.name: check.verdict for check in judgement.checks}


def test_the_same_passes_and_much_less_regresses(tmp_path: Path) -> None:
    assert judged(tmp_path / "a", 60, solving(0.6), solving(0.6)).verdict == "pass"
    worse = judged(tmp_path / "b", 60, solving(0.6), solving(0.2))
    assert worse.verdict == "regress"
    assert worse.checks[0].value == pytest.approx(-40)
    assert worse.checks[0].limit == -5
    assert worse.more_trials is None


def test_too_few_tasks_are_inconclusive_and_say_how_many_more_would_tell(tmp_path: Path) -> None:
    small = judged(tmp_path, 10, solving(0.6), solving(0.5))
    assert small.verdict == "inconclusive"
    assert small.more_trials is not None
    assert small.more_trials > 50
    assert "more task" in small.checks[0].remedy
    assert any("smoke test" in caveat for caveat in small.caveats)


@pytest.fixture(scope="module")
def level(tmp_path_factory: pytest.TempPathFactory) -> tuple[Contestant, Contestant]:
    """Return two agents that do the same on 80 tasks: 60% solved, $1 and 100 s a trial."""
    folder = tmp_path_factory.mktemp("level")
    return side_of(folder / "baseline", 80, solving(0.6)), side_of(folder / "run", 80, solving(0.6))


@pytest.mark.parametrize(
    ("limit", "value", "verdict"),
    [
        ("min_solve_rate", 0.4, "pass"),
        ("min_solve_rate", 0.59, "inconclusive"),
        ("min_solve_rate", 0.8, "regress"),
        ("max_cost_per_completed_usd", 3.0, "pass"),
        ("max_cost_per_completed_usd", 1.7, "inconclusive"),
        ("max_cost_per_completed_usd", 1.0, "regress"),
        ("max_p95_latency_s", 101.0, "pass"),
        ("max_p95_latency_s", 99.0, "regress"),
        ("max_cost_ratio", 1.1, "pass"),
        ("max_cost_ratio", 0.9, "regress"),
    ],
)
def test_limits_are_judged_by_the_whole_interval(
    level: tuple[Contestant, Contestant], limit: str, value: float, verdict: str
) -> None:
    found = judge(hold(*level), *level, GateConfig.model_validate({limit: value}))
    check = next(check for check in found.checks if check.limit == value)
    assert check.verdict == verdict
    assert found.verdict == verdict
    assert (check.more_trials is not None) == (verdict == "inconclusive")


def test_an_unknown_price_is_never_a_kept_limit(tmp_path: Path) -> None:
    found = judged(
        tmp_path, 80, solving(0.6), solving(0.6, cost_usd=None), max_cost_per_completed_usd=100, max_cost_ratio=100
    )
    assert found.verdict == "inconclusive"
    assert verdicts(found)["cost per completed task"] == "inconclusive"
    assert verdicts(found)["cost against the baseline"] == "inconclusive"


def test_below_72_trials_the_95th_percentile_is_not_judged(tmp_path: Path) -> None:
    found = judged(tmp_path, 60, solving(0.6), solving(0.6), max_p95_latency_s=10_000)
    check = next(check for check in found.checks if "latency" in check.name)
    assert (check.verdict, check.more_trials) == ("inconclusive", 12)


def test_infrastructure_failures_beyond_the_share_decide_nothing(tmp_path: Path) -> None:
    def failing(task: str, number: int) -> FakeTrial:
        return trial("infrastructure" if number < 20 else "solved")

    found = judged(tmp_path, 80, solving(1.0), failing)
    assert verdicts(found)["infrastructure failures"] == "inconclusive"
    assert found.verdict == "inconclusive"
    assert judged(tmp_path / "b", 80, solving(1.0), failing, max_infrastructure_share=0.3).verdict == "pass"


@pytest.mark.parametrize("spoilt", ["unfinished", "ungraded"])
def test_a_run_that_is_not_finished_is_not_judged(tmp_path: Path, spoilt: Literal["unfinished", "ungraded"]) -> None:
    def outcome(task: str, number: int) -> FakeTrial:
        return trial(spoilt if number == 3 else "not_solved")

    found = judged(tmp_path, 60, solving(0.9), outcome)
    assert found.verdict == "inconclusive"
    assert "not finished" in found.faults[0]


def test_a_forged_result_is_a_regression_whatever_else_there_is(tmp_path: Path) -> None:
    def outcome(task: str, number: int) -> FakeTrial:
        return trial({0: "tampered", 1: "unfinished"}.get(number, "solved"))  # type: ignore[arg-type]

    found = judged(tmp_path, 60, solving(1.0), outcome)
    assert found.faults
    assert found.verdict == "regress"
    assert judged(tmp_path / "b", 60, solving(1.0), outcome, max_tampered=1).verdict == "inconclusive"
