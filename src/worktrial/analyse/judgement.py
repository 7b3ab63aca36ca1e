"""Whether a run may go through: passed, regressed, or not to be told from so few trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from worktrial.analyse.contest import Contest, Contestant, Side, side
from worktrial.analyse.decision import SMOKE_TEST_TASKS, broken_controls
from worktrial.analyse.intervals import Rate
from worktrial.analyse.paired import Paired
from worktrial.analyse.power import More, Spread, tasks_needed
from worktrial.analyse.words import UNKNOWN, count, duration, exact_points, listing, money, p_value, percent, times
from worktrial.formats.gate import GateConfig

Verdict = Literal["pass", "regress", "inconclusive"]


@dataclass(frozen=True)
class Check:
    """One limit, and whether the run keeps it. Values are in the unit of the limit."""

    name: str
    verdict: Verdict
    said: str
    """What was found, in words."""
    limit: float
    value: float | None
    """None is unknown."""
    low: float | None = None
    """Of the 95% interval; None: there is none."""
    high: float | None = None
    more_trials: int | None = None
    """About how many more trials would settle it; None: it is settled, or that is not known."""
    remedy: str = ""
    """What would settle it, in words; empty when it is settled."""


@dataclass(frozen=True)
class Judgement:
    """What the gate says."""

    verdict: Verdict
    checks: tuple[Check, ...]
    faults: tuple[str, ...]
    """Why the runs cannot be judged by their figures, if so: nothing is decided then but by what can be counted."""
    caveats: tuple[str, ...]

    @property
    def more_trials(self) -> int | None:
        """About how many more trials would settle all that is open; None: nothing is, or that is not known."""
        wanted = [check.more_trials for check in self.checks if check.more_trials is not None]
        return max(wanted, default=None)


def judge(contest: Contest, baseline: Contestant, candidate: Contestant, config: GateConfig) -> Judgement:
    """Judge `candidate`, the second of `contest`, against `baseline` and the limits.

    A limit on a figure is kept when the whole 95% interval keeps it and broken when all of it breaks it; in between
    nothing is decided. With true values at the limit either happens in about one run of forty.
    """
    whole = side(candidate, candidate.tasks)
    checks = (
        _delta(contest, config.min_delta_points / 100),
        *_solve_rate(whole, config.min_solve_rate),
        *_cost(whole, config.max_cost_per_completed_usd),
        *_cost_ratio(contest, config.max_cost_ratio),
        *_latency(whole, config.max_p95_latency_s),
        *_tampered(whole, config.max_tampered),
        *_infrastructure(whole, side(baseline, baseline.tasks), config.max_infrastructure_share),
    )
    faults = tuple(_faults(baseline, candidate))
    return Judgement(_verdict(checks, faults), checks, faults, tuple(_caveats(contest, baseline, candidate)))


def _verdict(checks: tuple[Check, ...], faults: tuple[str, ...]) -> Verdict:
    # A forged result is one whatever else is wrong with the runs; figures say nothing while something is.
    if any(check.verdict == "regress" for check in checks if not faults or check.name == "tampered"):
        return "regress"
    if faults or any(check.verdict == "inconclusive" for check in checks):
        return "inconclusive"
    return "pass"


def judge_difference(paired: Paired, margin: float) -> Verdict:
    """Return whether a loss of `margin` (0..1) or more against the baseline is ruled out, or any loss established.

    The test for non-inferiority by confidence interval (e.g. Piaggio et al. 2012, JAMA 308, figure 1), with the loss
    that is established and may matter as a regression: an agent that loses `margin` passes at most once in forty runs,
    and one that loses nothing regresses at most once in forty.
    """
    if paired.low > -margin:
        return "pass"
    return "regress" if paired.established and paired.difference < 0 else "inconclusive"


def gap_to_verdict(difference: float, margin: float) -> float:
    """Return how far a difference is from where the nearer verdict is open, 0..1: from -margin for a pass, from 0."""
    return min(1.0, max(difference + margin, -difference))


def _delta(contest: Contest, margin: float) -> Check:
    name, limit = "solve rate against the baseline", -100 * margin
    paired = contest.paired
    if paired is None:
        return Check(
            name, "inconclusive", f"only {count(len(contest.shared), 'task')} graded in both runs", limit, None,
            remedy="run both on the same tasks",
        )  # fmt: skip
    verdict = judge_difference(paired, margin)
    what = {
        "pass": f"a loss of {margin * 100:g} points or more is ruled out" if margin else "it is better",
        "regress": "it is worse",
        "inconclusive": f"a loss{f' of {margin * 100:g} points or more' if margin else ''} is not ruled out, "
        "nor is any established",
    }[verdict]
    said = (
        f"{exact_points(paired.difference)} points on {count(paired.tasks, 'task')} (95% CI "
        f"{exact_points(paired.low)} to {exact_points(paired.high)}, {p_value(paired.p)}): {what}"
    )
    value, low, high = (100 * figure for figure in (paired.difference, paired.low, paired.high))
    if verdict != "inconclusive":
        return Check(name, verdict, said, limit, value, low, high)
    more = contest.more(gap_to_verdict(paired.difference, margin))
    trials = None if more is None else cheapest(contest, more)
    return Check(name, verdict, said, limit, value, low, high, trials, _settled_by(contest, more))


def cheapest(contest: Contest, more: More) -> int:
    """Return the trials of both agents together that the cheaper way to show a difference takes."""
    by_tasks, by_trials = contest.trials_of(more)
    return by_tasks if by_trials is None else min(by_tasks, by_trials)


def _settled_by(contest: Contest, more: More | None) -> str:
    """Say what would settle a difference if it stayed as it was seen."""
    if more is None:
        return "if the two stay level, no number of trials settles it"
    return f"if the difference stays as it is, {more_words(contest, more)} would settle it"


def more_words(contest: Contest, more: More) -> str:
    """Return how many more tasks or trials, in words."""
    by_tasks, by_trials = contest.trials_of(more)
    if not cheapest(contest, more):
        return "as many trials again"
    text = f"about {count(more.tasks, 'more task')} ({count(by_tasks, 'trial')} in all)"
    if more.trials and by_trials:
        text += f" or {count(more.trials, 'more trial')} of each task by each agent ({by_trials:,} in all"
        text += "; guessed, since one trial a task does not show how agents vary)" if contest.once else ")"
    return text


def _solve_rate(whole: Side, limit: float | None) -> Iterator[Check]:
    if limit is None:
        return
    rate = whole.rate
    if rate is None:
        yield Check("solve rate", "inconclusive", "no trial is graded", limit, None, remedy="grade the run")
        return
    verdict: Verdict = "pass" if rate.low >= limit else "regress" if rate.high < limit else "inconclusive"
    said = (
        f"{percent(rate.mean)} of {count(rate.tasks, 'task')} (95% CI {percent(rate.low)} to {percent(rate.high)}), "
        f"wanted at least {percent(limit)}"
    )
    more = _more_for_rate(rate, limit) if verdict == "inconclusive" else None
    remedy = f"about {count(more, 'more trial')} on more tasks would settle it" if more else ""
    if verdict == "inconclusive" and not more:
        remedy = "at the limit itself, no number of trials settles it"
    yield Check("solve rate", verdict, said, limit, rate.mean, rate.low, rate.high, more, remedy)


def _more_for_rate(rate: Rate, limit: float) -> int | None:
    gap = abs(rate.mean - limit)
    if not gap:
        return None
    # The interval's own width says how much the tasks amount to, trials of a task being alike.
    deviation = (rate.high - rate.low) / 2 / 1.96 * rate.tasks**0.5
    more = max(1, tasks_needed(gap, 1, Spread(between=deviation**2, within=0.0)) - rate.tasks)
    return round(more * rate.trials / rate.tasks) or 1


def _cost(whole: Side, limit: float | None) -> Iterator[Check]:
    if limit is None:
        return
    name, cost = "cost per completed task", whole.cost
    if cost.per_completed is None:
        said = f"{UNKNOWN}: {percent(cost.unknown_share)} of the cost is not known"
        least = cost.at_least_usd
        # What is known is a lower bound: unknown amounts can only add to it.
        over = least is not None and cost.known_usd > 0 and least > limit
        said += f", what is known comes to {money(least)}" if over else ""
        remedy = "give the model's prices in worktrial.toml"
        yield Check(name, "inconclusive", said, limit, None, remedy=remedy)
        return
    found = cost.per_completed
    if found.usd is None:
        yield Check(name, "inconclusive", "nothing was solved", limit, None, remedy="more trials")
        return
    yield _by_interval(name, Ends(found.usd, found.low, found.high), limit, money, _size(whole))


def _cost_ratio(contest: Contest, limit: float | None) -> Iterator[Check]:
    if limit is None:
        return
    name, found = "cost against the baseline", contest.cost_ratio
    if found is None:
        said = f"{UNKNOWN}: not every cost is known, or one of the two solved nothing or cost nothing"
        yield Check(name, "inconclusive", said, limit, None, remedy="give the models' prices in worktrial.toml")
        return
    size = _size(contest.first) + _size(contest.second)
    yield _by_interval(name, Ends(found.value, found.low, found.high), limit, times, size)


def _latency(whole: Side, limit: float | None) -> Iterator[Check]:
    if limit is None:
        return
    name, found = "95th percentile of latency", whole.latency_p95_s
    if found is None:
        yield Check(name, "inconclusive", "no trial is finished", limit, None, remedy="more trials")
    elif found.low is None or found.high is None:
        said = f"{duration(found.value)} in {count(found.values, 'trial')}: {found.needed} are needed to be sure of it"
        more = found.needed - found.values
        remedy = f"at least {count(more, 'more trial')}"
        yield Check(name, "inconclusive", said, limit, found.value, more_trials=more, remedy=remedy)
    else:
        yield _by_interval(name, Ends(found.value, found.low, found.high), limit, duration, found.values)


@dataclass(frozen=True)
class Ends:
    """A figure and its 95% interval, whose upper end may be infinite."""

    value: float
    low: float
    high: float


def _by_interval(name: str, found: Ends, limit: float, words: Callable[[float], str], trials: int) -> Check:
    """Return the check of an upper limit on a figure that rests on `trials` trials."""
    verdict: Verdict = "pass" if found.high <= limit else "regress" if found.low > limit else "inconclusive"
    high = "any amount" if math.isinf(found.high) else words(found.high)
    said = f"{words(found.value)} (95% CI {words(found.low)} to {high}), wanted at most {words(limit)}"
    more, remedy = None, ""
    if verdict == "inconclusive":
        more = _more_for_estimate(found, limit, trials)
        remedy = f"about {count(more, 'more trial')} would settle it, on more tasks" if more else "more trials"
    return Check(name, verdict, said, limit, found.value, found.low, _finite(found.high), more, remedy)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _more_for_estimate(found: Ends, limit: float, trials: int) -> int | None:
    """Return with how many more trials an interval would lie clear of the limit four times in five; None: unknown.

    Its width shrinks with the root of what it rests on.
    """
    if math.isinf(found.high) or found.value == limit:
        return None
    error = (found.high - found.low) / 2 / 1.96
    needed = ((1.96 + 0.84) * error / abs(found.value - limit)) ** 2
    return max(1, round((needed - 1) * trials))


def _size(one: Side) -> int:
    return one.rate.trials if one.rate else 0


def _tampered(whole: Side, limit: int | None) -> Iterator[Check]:
    if limit is None:
        return
    said = f"{count(whole.tampered, 'trial')} with a result that was tampered with, allowed {limit}"
    yield Check("tampered", "pass" if whole.tampered <= limit else "regress", said, limit, whole.tampered)


def _infrastructure(whole: Side, baseline: Side, limit: float | None) -> Iterator[Check]:
    if limit is None:
        return
    sides = (("infrastructure failures", whole), ("infrastructure failures of the baseline", baseline))
    for name, one in sides:
        share = one.infrastructure / one.trials if one.trials else None
        kept = share is not None and share <= limit
        said = f"{one.infrastructure:,} of {count(one.trials, 'trial')}, allowed {percent(limit)}"
        if one is baseline and kept:
            continue
        yield Check(
            name, "pass" if kept else "inconclusive", said, limit, share,
            more_trials=None if kept else one.infrastructure or None,
            remedy="" if kept else "attempt them again: worktrial run … --retry-infrastructure",
        )  # fmt: skip


def _faults(baseline: Contestant, candidate: Contestant) -> Iterator[str]:
    for role, one in (("run", candidate), ("baseline", baseline)):
        for reason, tasks in broken_controls(one.summary):
            yield f"The {role}'s suite cannot be trusted: {reason}; mend or drop {listing(tasks)}."
        own = side(one, one.tasks)
        if own.missing:
            yield (
                f"The {role} is not finished: {count(own.missing, 'trial')} of {one.name} "
                "missing or not graded. Looking before the end raises false alarms."
            )


def _caveats(contest: Contest, baseline: Contestant, candidate: Contestant) -> Iterator[str]:
    if 0 < len(contest.shared) < SMOKE_TEST_TASKS:
        yield f"With fewer than {SMOKE_TEST_TASKS} tasks this is a smoke test."
    left_out = len(contest.only_first) + len(contest.only_second)
    if left_out:
        yield f"{count(left_out, 'task')} graded in one of the two runs only: left out of the comparison."
    if contest.changed:
        yield f"{count(len(contest.changed), 'task')} left out, which the suites' changes made another: " + listing(
            list(contest.changed)
        )
    mine, theirs = baseline.summary.lock, candidate.summary.lock
    if mine.sandbox != theirs.sandbox:
        yield f"The sandboxes differ: {mine.sandbox} in the baseline, {theirs.sandbox} in the run."
    if mine.quarantined != theirs.quarantined:
        yield "Other tests were in quarantine in the baseline than in the run."
