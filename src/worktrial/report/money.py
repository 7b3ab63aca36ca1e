"""The tables of costs, of the weighted score and of routing, as values that templates print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from worktrial.analyse.cost import CostPerTask, Part, Ratio
from worktrial.analyse.criteria import CRITERIA, CriterionName
from worktrial.analyse.score import Scored, Scoring
from worktrial.analyse.summary import TrialRow
from worktrial.analyse.words import UNKNOWN, duration, listing, money, percent
from worktrial.report.charts import parts_bar
from worktrial.report.figures import by_agent
from worktrial.report.reckoning import Reckoning

FATES = ("in solved trials", "in failed trials", "other attempts, sandboxes, tests and review")
"""What the bars of costs are made of."""
PART_NAMES = {"model": "Models", "sandbox": "Sandboxes", "ci": "Running tests", "review": "Review by people"}
CRITERION_NAMES: dict[CriterionName, str] = {
    "correctness": "Solve rate",
    "p95_latency_s": "95th of 100 in time",
    "cost_per_completed_usd": "Cost per completed task",
    "cache_hit_rate": "Cache hit rate",
    "api_reliability": "API reliability",
}


@dataclass(frozen=True)
class CostView:
    """One agent's line of the table of costs."""

    name: str
    each: str
    interval: str
    bar: Markup
    parts: tuple[str, ...]
    """In the order of the parts that count."""
    total: str
    failed_share: str
    """Of the model's money that went into trials that were not solved."""
    accepted: str
    """Per accepted change; empty when nothing was imported."""


def counted_parts(found: Reckoning) -> list[str]:
    """Return the names of the parts of costs that have a rate."""
    one = next(iter(found.costs.values()), None)
    return [PART_NAMES[part.name] for part in one.parts if part.counted] if one else []


def uncounted_parts(found: Reckoning) -> list[str]:
    """Return the names of the parts that no rate was given for, for a sentence."""
    one = next(iter(found.costs.values()), None)
    return [PART_NAMES[part.name].lower() for part in one.parts if not part.counted] if one else []


def cost_views(found: Reckoning) -> list[CostView]:
    """Return the costs of the contenders; empty when nothing is known of any."""
    known = [cost for cost in found.costs.values() if cost.attempts]
    if not any(cost.known_usd for cost in known):
        return []
    rows = by_agent(found.summary)
    fates = {cost.agent: _fates(cost, rows[cost.agent]) for cost in known}
    most = max((sum(fates[cost.agent]) / cost.completed for cost in known if cost.completed), default=0.0)
    return [_view(cost, fates[cost.agent], most) for cost in known]


def _fates(cost: CostPerTask, rows: Sequence[TrialRow]) -> tuple[float, float, float]:
    """Return the known money in solved trials, in those that were not, and in all else."""
    solved = sum(row.cost_usd or 0.0 for row in rows if row.outcome == "solved")
    failed = sum(row.cost_usd or 0.0 for row in rows if row.outcome in ("not_solved", "tampered"))
    return solved, failed, max(0.0, cost.known_usd - solved - failed)


def _view(cost: CostPerTask, fates: tuple[float, float, float], most: float) -> CostView:
    bars = [fate / cost.completed for fate in fates] if cost.completed else []
    label = ", ".join(f"{money(fate)} {name}" for name, fate in zip(FATES, fates, strict=True) if fate >= 0.005)
    each = cost.per_completed
    if each is None:
        told = f"at least {money(cost.at_least_usd)}" if cost.at_least_usd else UNKNOWN
    else:
        told = "none completed" if each.usd is None else money(each.usd)
    total = money(cost.total_usd) if cost.total_usd is not None else f"at least {money(cost.known_usd)}"
    if cost.unknown_share:
        share = "all" if cost.unknown_share >= 1 else f"about {percent(cost.unknown_share)}"
        total += f", {share} of it {UNKNOWN}" if cost.unknown_share < 1 else f", the rest {UNKNOWN}"
    spent = fates[0] + fates[1]
    return CostView(
        cost.agent,
        told,
        interval_words(each),
        parts_bar(bars, most, label or "nothing known"),
        tuple(_part(part) for part in cost.parts if part.counted),
        total,
        percent(fates[1] / spent) if spent else UNKNOWN,
        "" if cost.accepted is None else _accepted(cost),
    )


def _part(part: Part) -> str:
    if not part.unknown:
        return money(part.known_usd)
    return f"at least {money(part.known_usd)}; {part.unknown:,} unknown" if part.known else UNKNOWN


def _accepted(cost: CostPerTask) -> str:
    each = cost.per_accepted
    return UNKNOWN if each is None else "none accepted" if each.usd is None else money(each.usd)


def interval_words(ratio: Ratio | None) -> str:
    """Return a 95% interval in words; empty when there is none."""
    if ratio is None or ratio.usd is None:
        return ""
    if math.isinf(ratio.high):
        return f"{money(ratio.low)} or more"
    return f"{money(ratio.low)} to {money(ratio.high)}"


@dataclass(frozen=True)
class ScoreView:
    """One agent's line of the table of scores."""

    name: str
    score: str
    bar: Markup
    figures: tuple[str, ...]
    """By `CRITERIA`."""
    share: str
    """Of weights drawn around those asked for with which it wins."""
    p_best: str
    """Chance to win with other tasks of the same kind."""
    out: str
    """Which threshold it breaks; empty when none."""


def score_views(scoring: Scoring) -> list[ScoreView]:
    """Return the candidates by score, those that broke a threshold last."""
    return [_scored(one, scoring) for one in (*scoring.ranked, *scoring.out)]


def _scored(one: Scored, scoring: Scoring) -> ScoreView:
    parts = [(worth or 0.0) * weight for worth, weight in zip(one.utilities, scoring.weights, strict=True)]
    broken = [
        f"{CRITERION_NAMES[found.criterion]} of {figure(found.criterion, found.value)}, "
        f"threshold {figure(found.criterion, found.threshold)}"
        for found in one.broken
    ]
    told = f"{one.low * 100:.0f}" if one.score is not None else f"{one.low * 100:.0f} to {one.high * 100:.0f}"
    label = ", ".join(
        f"{CRITERION_NAMES[name]} {part * 100:.0f}" for name, part in zip(CRITERIA, parts, strict=True) if part
    )
    return ScoreView(
        one.name,
        "out" if broken else told,
        parts_bar([] if broken else parts, 1.0, label or "nothing"),
        tuple(figure(name, value) for name, value in zip(CRITERIA, one.figures, strict=True)),
        "" if broken else percent(scoring.winner_share.get(one.name)),
        percent(scoring.p_best[one.name]) if one.name in scoring.p_best else "",
        "; ".join(broken),
    )


def figure(criterion: CriterionName, value: float | None) -> str:
    """Return a criterion's value in its own unit."""
    if value is None:
        return UNKNOWN
    if criterion == "p95_latency_s":
        return duration(value)
    if criterion == "cost_per_completed_usd":
        return "none completed" if math.isinf(value) else money(value)
    return f"{value * 100:.1f}%" if criterion == "api_reliability" else percent(value)


def _within(criterion: CriterionName) -> str:
    """Return a criterion's name as it is written within a sentence."""
    name = CRITERION_NAMES[criterion]
    return name if name.startswith("API") else name[0].lower() + name[1:]


def score_words(scoring: Scoring) -> str:
    """Return what the score says and how firm that is, in a sentence or two."""
    weights = ", ".join(
        f"{_within(name)} {weight * 100:.0f}" for name, weight in zip(CRITERIA, scoring.weights, strict=True) if weight
    )
    said = [f"Weights: {weights}."]
    if scoring.left_out:
        said.append(f"Unknown of all and left out: {listing([_within(name) for name in scoring.left_out])}.")
    if scoring.winner is None:
        said.append("No winner: what is unknown decides, or no agent keeps the thresholds.")
    elif scoring.flip is None:
        said.append(f"{scoring.winner} wins whatever the weights are." if len(scoring.ranked) > 1 else "")
    else:
        moved = f"{scoring.flip.moved * 100:.0f} points of weight"
        said.append(f"{scoring.winner} wins; moving {moved} makes {scoring.flip.to} win.")
    return " ".join(filter(None, said))


@dataclass(frozen=True)
class RouteView:
    """One line of the table of routes."""

    name: str
    rate: str
    interval: str
    each: str
    escalated: str


def route_views(found: Reckoning) -> list[RouteView]:
    """Return the chains that were simulated, each after its agents alone; empty when there are none."""
    views = []
    alone: list[str] = []
    for route in found.routes:
        for name in reversed(route.agents):
            if name not in alone:
                alone.append(name)
        rate = route.rate
        views.append(
            RouteView(
                f"{route.agents[0]}, then {route.agents[1]}",
                percent(rate.mean) if rate else UNKNOWN,
                f"{percent(rate.low)} to {percent(rate.high)}" if rate else "",
                money(route.per_completed.usd if route.per_completed else None),
                percent(route.escalated),
            )
        )
    singles = [
        RouteView(
            f"{agent.name} alone",
            percent(agent.rate.mean),
            f"{percent(agent.rate.low)} to {percent(agent.rate.high)}",
            money(found.each_usd(agent.name)),
            "",
        )
        for agent in found.summary.contenders
        if agent.name in alone and agent.rate
    ]
    return [*singles, *views] if views else []
