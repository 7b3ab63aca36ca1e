"""The one sentence a run ends in: which agent to take, and how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worktrial.analyse.standing import Contender, Rival, Standing, stand
from worktrial.analyse.summary import AgentSummary, Lead, Outcome, RunSummary, TrialRow
from worktrial.analyse.words import UNKNOWN, count, listing, p_value, percent, points

if TYPE_CHECKING:
    from worktrial.analyse.intervals import Rate
    from worktrial.analyse.multiple import Comparisons
    from worktrial.analyse.paired import Paired

SMOKE_TEST_TASKS = 20
"""Below this, 20 tasks with a trial each could only show differences of 37 points: nothing to decide by."""

_SAME_COST = 1.1
"""Ratios of costs closer to 1 than this are the same cost."""
_PER_TASK = " per completed task"
_NARROW = 0.2
"""Intervals narrower than this are told with a decimal."""
_WORTH_KNOWING = (0.03, 0.05, 0.1)
_IN_REACH_TASKS = 400

Level = Literal[
    "untrustworthy",
    "no_data",
    "controls_only",
    "unfinished",
    "smoke_test",
    "one_agent",
    "not_established",
    "established",
]
"""*unfinished*: trials are missing. Looking again and again at a growing run and stopping at the first p below .05
raises false alarms many times over, so nothing is established before its end."""


@dataclass(frozen=True)
class Decision:
    """What the run says, and how sure that is."""

    level: Level
    headline: str
    """What was found, without the final full stop."""
    certainty: str
    """How sure that is and why, in the same sentence."""
    agent: str | None = None
    """The agent to take; None unless the level is *established*."""
    keep: str | None = None
    """The agent to go on with while nothing is established: of those tied the one that costs least. None when that is
    not known."""
    lead: Lead | None = None
    """The comparison that the sentence tells; None when it tells none."""

    @property
    def sentence(self) -> str:
        """The whole decision in one sentence."""
        return f"{self.headline} \N{EN DASH} {self.certainty}."


def decide(
    summary: RunSummary,
    each_usd: Mapping[str, float | None] | None = None,
    compared: Comparisons | None = None,
) -> Decision:
    """Return the decision that the run allows, never a stronger one.

    `each_usd` is what a completed task costs with each agent where more is known of it than the trials say (sandboxes,
    tests, people's review); None is unknown. `compared`, of all contenders with each other, spares comparing them
    again. See `worktrial.analyse.standing.stand` for who is compared.
    """
    if broken := broken_controls(summary):
        reasons = "; ".join(reason for reason, _ in broken)
        tasks = sorted({task for _, found in broken for task in found})
        return Decision(
            "untrustworthy",
            f"Don't trust these numbers: {reasons}",
            f"mend or drop these tasks before reading on: {listing(tasks)}{_pending(summary)}",
        )
    graded = [(agent, agent.rate) for agent in summary.contenders if agent.rate]
    if standing := stand(summary, each_usd, compared):
        return _between(summary, standing)
    if graded:
        return _alone(summary, *graded[0])
    if summary.contenders and (failed := [row for row in _contending(summary) if row.outcome == "infrastructure"]):
        return _all_failed(summary, failed)
    if summary.contenders or not any(agent.rate for agent in summary.controls):
        return Decision("no_data", "Nothing to decide yet", f"no trial of a contender is graded{_pending(summary)}")
    results = [f"{agent.name} solved {percent(_mean(agent))}" for agent in summary.controls if agent.rate]
    most = max(agent.rate.tasks for agent in summary.controls if agent.rate)
    return Decision(
        "controls_only",
        f"Controls only: on {count(most, 'task')}, {listing(results)}",
        f"as it must be; add an agent with --agent to try one{_pending(summary)}",
    )


def _contending(summary: RunSummary) -> list[TrialRow]:
    names = {agent.name for agent in summary.contenders}
    return [row for row in summary.rows if row.agent in names]


def _all_failed(summary: RunSummary, failed: Sequence[TrialRow]) -> Decision:
    """Say that no trial says anything of the agents, what failed instead, and what to do."""
    finished = sum(agent.trials for agent in summary.contenders)
    which = f"all {finished:,}" if len(failed) == finished else f"{len(failed):,} of {finished:,}"
    cause, times = Counter(row.cause for row in failed).most_common(1)[0]
    often = "" if times == len(failed) else f" ({times:,})"
    return Decision(
        "no_data",
        f"No result: {which} trials failed for reasons that are not the agents'",
        f"the cause was {cause.replace('_', ' ')}{often}; mend it and give the same worktrial run again with "
        f"--retry-infrastructure{_pending(summary)}",
    )


def broken_controls(summary: RunSummary) -> list[tuple[str, list[str]]]:
    """Return, for each control that did not do as it must, what it did and the tasks in question."""
    wrong: dict[str, tuple[tuple[Outcome, ...], str]] = {
        "oracle": (("not_solved", "tampered"), "the landed change itself fails"),
        "nop": (("solved",), "changing nothing solves"),
    }
    found: list[tuple[str, list[str]]] = []
    for agent in summary.controls:
        failing, what = wrong.get(agent.config.kind, ((), ""))
        tasks = sorted({row.task for row in summary.rows if row.agent == agent.name and row.outcome in failing})
        if tasks and agent.rate:
            found.append((f"{what} {len(tasks)} of {count(agent.rate.tasks, 'task')} ({agent.name})", tasks))
    return found


def caveats(summary: RunSummary) -> list[str]:
    """Return what a reader has to know before leaning on the figures, the weightiest first."""
    found = []
    oracles = {agent.name for agent in summary.controls if agent.config.kind == "oracle"}
    late = {row.task for row in summary.rows if row.agent in oracles and row.cause == "tests_timed_out"}
    if late:
        found.append(
            f"The landed change's own tests ran out of time on {count(len(late), 'task')}: was the machine busy with "
            "something else? Then grade again: worktrial grade RUN."
        )
    if missing := summary.count("unfinished"):
        found.append(f"The run is not finished: {missing:,} of {count(len(summary.rows), 'trial')} are missing.")
    if ungraded := summary.count("ungraded"):
        verb = "has no verdict and is" if ungraded == 1 else "have no verdict and are"
        found.append(f"{count(ungraded, 'trial')} {verb} left out; grade with: worktrial grade RUN.")
    if tampered := [agent for agent in summary.agents if agent.tampered]:
        said = listing([f"{agent.name} ({agent.tampered:,})" for agent in tampered])
        found.append(f"Trials whose result was tampered with count as not solved: {said}.")
    if failed := summary.count("infrastructure"):
        found.append(f"{count(failed, 'trial')} failed for reasons that are not the agent's and left the denominator.")
    if 0 < len(summary.request.tasks) < SMOKE_TEST_TASKS:
        found.append(f"With fewer than {SMOKE_TEST_TASKS} tasks this is a smoke test: it finds what is broken.")
    kinds = {agent.config.kind for agent in summary.controls if agent.rate}
    for kind, meaning in (("oracle", "can be solved"), ("nop", "are not solved by doing nothing")):
        if kind not in kinds:
            found.append(f"The control {kind} was not run: nothing here shows that the tasks {meaning}.")
    if summary.request.trials == 1:
        found.append("One trial per task does not show how much an agent varies from one attempt to the next.")
    unknown = [agent.name for agent in summary.contenders if agent.cost.unknown]
    if unknown:
        found.append(f"Unknown is not zero: not every cost of {listing(unknown)} is known.")
    if summary.lock.sandbox == "none":
        found.append("The sandbox was off: agents could reach the network, the history and each other's work.")
    return found


def _between(summary: RunSummary, standing: Standing) -> Decision:
    leader, shown = standing.leader, (standing.tied or standing.rivals)[0]
    if shown.paired is None:
        return Decision(
            "unfinished" if summary.count("unfinished") else "not_established",
            f"No winner yet: {_result(leader.agent)}",
            f"{shown.contender.name} shares too few graded tasks with it to be compared{_pending(summary)}",
        )
    headline, figures = _headline(leader, shown, shown.paired), _figures(summary, standing, shown, shown.paired)
    tail = _cost_clause(leader.usd, shown.contender.usd) + _pending(summary)
    if summary.count("unfinished"):
        why = f"no decision before the run is finished ({figures}){tail}"
        return Decision("unfinished", f"No winner yet: so far, {headline}", why, lead=_lead(leader, shown))
    if shown.paired.tasks < SMOKE_TEST_TASKS:
        certainty = f"{count(shown.paired.tasks, 'task')} make a smoke test, not a decision ({figures}){tail}"
        return Decision("smoke_test", f"No winner yet: {headline}", certainty, lead=_lead(leader, shown))
    if not standing.tied:
        found = headline.removeprefix(leader.name)
        certainty, lead = f"established ({figures}){tail}", _lead(leader, shown)
        return Decision("established", f"Take {leader.name}: it{found}", certainty, leader.name, lead=lead)
    return _undecided(summary, standing, shown, shown.paired, tail)


def _lead(leader: Contender, rival: Rival) -> Lead:
    return Lead(leader.agent, rival.contender.agent, rival.paired)


def _headline(leader: Contender, rival: Rival, paired: Paired) -> str:
    decimals = decimals_of(paired)
    if points(paired.difference, decimals) == "0":
        return f"{leader.name} and {rival.contender.name} are level: {_result(leader.agent)}"
    word = "more" if paired.difference > 0 else "fewer"
    return f"{_result(leader.agent)}, {_unsigned(paired.difference, decimals)} {word} than {rival.contender.name}"


def _figures(summary: RunSummary, standing: Standing, rival: Rival, paired: Paired) -> str:
    decimals, family = decimals_of(paired), len(standing.rivals)
    return (
        f"95% CI {points(paired.low, decimals)} to {points(paired.high, decimals)} points, {p_value(rival.p)}"
        f"{f' over {family} comparisons' if family > 1 else ''}{_each(summary)}"
    )


def _undecided(summary: RunSummary, standing: Standing, shown: Rival, paired: Paired, tail: str) -> Decision:
    """Say which agent to go on with when the best one is not shown to be best: of those tied the cheapest."""
    leader, kept, group = standing.leader, standing.cheapest(_SAME_COST), _group_clause(standing)
    for rival in standing.tied:
        if rival.contender is kept and rival.paired:
            shown, paired = rival, rival.paired
    certainty = (
        f"not established ({_figures(summary, standing, shown, paired)}); {_wanted(leader, shown, paired)}{group}"
    )
    if kept is None:
        headline = f"No winner yet: {_headline(leader, shown, paired)}"
        return Decision("not_established", headline, f"{certainty}{tail}", lead=_lead(leader, shown))
    other = shown.contender if kept is leader else leader
    gap, decimals = -paired.difference if kept is leader else paired.difference, decimals_of(paired)
    word = "more" if gap > 0 else "fewer"
    solved = "as much" if points(gap, decimals) == "0" else f"{_unsigned(gap, decimals)} {word}"
    ratio = _ratio(other.usd, kept.usd)
    dearer = f"solved {solved}, at {ratio:.1f} times the cost{_PER_TASK}" if ratio else "completed no task"
    headline = f"Keep {kept.name}: {other.name} {dearer}"
    return Decision("not_established", headline, certainty, keep=kept.name, lead=_lead(leader, shown))


def _group_clause(standing: Standing) -> str:
    """Name the tie group where it is more than two, and who is behind it."""
    names = [standing.leader.name, *(rival.contender.name for rival in standing.tied)]
    clause = f"; {listing(names, 9)} are not told apart" if len(names) > 2 else ""
    behind = [rival.contender.name for rival in standing.behind]
    return clause + (f"; {listing(behind, 9)} solved less" if behind else "")


def _ratio(own_usd: float | None, other_usd: float | None) -> float | None:
    """Return one cost in terms of the other; None where either is unknown or nothing."""
    return own_usd / other_usd if own_usd and other_usd else None


def _wanted(leader: Contender, rival: Rival, paired: Paired) -> str:
    """Say what more tasks would show; of the differences worth a decision the smallest that is in reach."""
    from worktrial.analyse.power import more_needed

    for wanted in _WORTH_KNOWING:
        more = more_needed(leader.outcomes, rival.contender.outcomes, wanted)
        if more and 0 < more.tasks <= _IN_REACH_TASKS:
            return f"{count(more.tasks, 'more task')} would show a difference of {_unsigned(wanted)}"
    return f"only differences of {_unsigned(paired.detectable)} or more would show in a run of this size"


def _alone(summary: RunSummary, agent: AgentSummary, rate: Rate) -> Decision:
    interval = f"95% CI {percent(rate.low)} to {percent(rate.high)}{_each(summary)}"
    if summary.count("unfinished"):
        why = f"the run is not finished ({interval}){_pending(summary)}"
        return Decision("unfinished", f"So far, {_result(agent)}", why)
    if rate.tasks < SMOKE_TEST_TASKS:
        why = f"fewer than {SMOKE_TEST_TASKS} tasks do not decide ({interval}){_pending(summary)}"
        return Decision("smoke_test", f"Smoke test: {_result(agent)}", why)
    others = [
        f"{other.name} has no result" for other in summary.contenders if other is not agent and other.infrastructure
    ]
    lack = f"{listing(others)}: see infrastructure failures" if others else "add another --agent"
    why = f"{interval}; nothing to compare it with: {lack}{_pending(summary)}"
    return Decision("one_agent", _result(agent), why)


def _result(agent: AgentSummary) -> str:
    return f"{agent.name} solved {percent(_mean(agent))} of {count(agent.rate.tasks if agent.rate else 0, 'task')}"


def _each(summary: RunSummary) -> str:
    return f", {summary.request.trials} trials a task" if summary.request.trials > 1 else ""


def decimals_of(paired: Paired) -> int:
    """Return how many decimals of a percentage point mean something."""
    return 1 if paired.high - paired.low < _NARROW else 0


def _unsigned(difference: float, decimals: int = 0) -> str:
    number = points(difference, decimals).lstrip("+\N{MINUS SIGN}")
    return f"{number} point" if number == "1" else f"{number} points"


def _mean(agent: AgentSummary) -> float | None:
    return agent.rate.mean if agent.rate else None


def _cost_clause(own_usd: float | None, other_usd: float | None) -> str:
    """Say what the better one costs in terms of the other, where both are known and worth a word."""
    if own_usd is None and other_usd is None:
        return f"; cost {UNKNOWN}"
    ratio = _ratio(own_usd, other_usd)
    if ratio is None:
        return ""
    if 1 / _SAME_COST < ratio < _SAME_COST:
        return "; at the same cost"
    times = f"{ratio:.1f} times" if ratio >= 0.1 else "less than a tenth of"
    return f"; at {times} the cost{_PER_TASK}"


def _pending(summary: RunSummary) -> str:
    missing, ungraded = summary.count("unfinished"), summary.count("ungraded")
    parts = [f"{missing:,} of {count(len(summary.rows), 'trial')} not finished"] if missing else []
    parts += [f"{ungraded:,} not graded"] if ungraded else []
    return "".join(f"; {part}" for part in parts)
