"""What `worktrial compare` does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worktrial.analyse.contest import Contest, Flip, Side
from worktrial.analyse.decision import SMOKE_TEST_TASKS
from worktrial.analyse.estimate import CostRatio
from worktrial.analyse.judgement import cheapest, more_words
from worktrial.analyse.quantiles import Quantile
from worktrial.analyse.words import UNKNOWN, count, duration, exact_points, money, p_value, percent, times
from worktrial.cli.configuration import read_configuration
from worktrial.cli.opponents import Match, match
from worktrial.cli.output import print_json, talk
from worktrial.pages.text import visible

_MOST_FLIPS = 10


def compare(
    first: Path, second: Path | None, names: tuple[str, ...], gap: float, *, config: Path | None, as_json: bool
) -> int:
    """Print how two agents differ; `gap` is the difference (0..1] that a reader wants to be able to see."""
    with talk.status("reading …"):
        found = match(first, second, names, read_configuration(config).rates)
    for line in _lines(found, gap):
        click.echo(visible(line), err=as_json)
    if as_json:
        print_json(comparison_json(found, gap))
    return 0


def comparison_json(found: Match, gap: float) -> dict[str, Any]:
    """Return a comparison as JSON: rates and differences in 0..1, null for unknown."""
    contest, paired = found.contest, found.contest.paired
    return {
        "a": _side_json(found.first.name, str(found.first.run.path), contest.first),
        "b": _side_json(found.second.name, str(found.second.run.path), contest.second),
        "tasks": {
            "shared": len(contest.shared),
            "only_a": list(contest.only_first),
            "only_b": list(contest.only_second),
            "changed": list(contest.changed),
        },
        "difference": paired.difference if paired else None,
        "ci95": [paired.low, paired.high] if paired else None,
        "p": paired.p if paired else None,
        "established": paired is not None and paired.established,
        "cost_ratio": _ends(contest.cost_ratio),
        "gained": [asdict(flip) for flip in contest.gained],
        "lost": [asdict(flip) for flip in contest.lost],
        "to_show_the_difference_seen": _more_json(contest, abs(paired.difference) if paired else 0.0),
        "to_show_delta": _more_json(contest, gap),
        "warnings": list(found.warnings),
    }


def _more_json(contest: Contest, difference: float) -> dict[str, Any] | None:
    """Return what would show a difference: more tasks, or more trials of each task, and the trials that this takes."""
    more = contest.more(difference)
    if more is None:
        return None
    return {
        "difference": more.difference,
        "more_tasks": more.tasks,
        "more_trials_per_task": more.trials,
        "trials": cheapest(contest, more),
    }


def _side_json(name: str, run: str, side: Side) -> dict[str, Any]:
    return {
        "agent": name,
        "run": run,
        "rate": side.rate.mean if side.rate else None,
        "ci95": [side.rate.low, side.rate.high] if side.rate else None,
        "trials": side.trials,
        "solved": side.cost.completed,
        "tampered": side.tampered,
        "infrastructure": side.infrastructure,
        "missing": side.missing,
        "attempts": side.cost.attempts,
        "cost_usd": side.cost.total_usd,
        "unknown_cost_share": side.cost.unknown_share,
        "cost_per_completed_usd": _per_completed(side),
        "latency_median_s": _ends(side.latency_median_s),
        "latency_p95_s": _ends(side.latency_p95_s),
    }


def _per_completed(side: Side) -> dict[str, float | None] | None:
    found = side.cost.per_completed
    return None if found is None else {"value": found.usd, "low": found.low, "high": _finite(found.high)}


def _ends(found: CostRatio | Quantile | None) -> dict[str, float | None] | None:
    return None if found is None else {"value": found.value, "low": found.low, "high": _finite(found.high)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _lines(found: Match, gap: float) -> list[str]:
    contest = found.contest
    a, b = found.labels
    return [
        f"A: {a}",
        f"B: {b}",
        "",
        *shared_words(contest),
        *found.warnings,
        "",
        difference_words(contest),
        *_table(contest),
        "",
        *_flips("B solved more often", contest.gained),
        *_flips("B solved less often", contest.lost),
        *_settle_lines(contest, gap),
    ]


def shared_words(contest: Contest) -> list[str]:
    """Return how many tasks are compared and which are left out."""
    left_out = (
        (len(contest.only_first), "of A only"),
        (len(contest.only_second), "of B only"),
        (len(contest.changed), "that the suites changed"),
    )
    said = "".join(f"; left out: {count(number, 'task')} {which}" for number, which in left_out if number)
    lines = [f"{count(len(contest.shared), 'task')} graded for both{said}"]
    if len(contest.shared) < SMOKE_TEST_TASKS:
        lines.append(f"With fewer than {SMOKE_TEST_TASKS} tasks this is a smoke test, no decision.")
    if missing := contest.first.missing + contest.second.missing:
        lines.append(f"{count(missing, 'trial')} missing or not graded: looking before the end raises false alarms.")
    return lines


def difference_words(contest: Contest) -> str:
    """Return the difference in one line."""
    paired = contest.paired
    if paired is None:
        return "B against A: too few tasks to compare"
    sure = "established" if paired.established else "not established"
    return (
        f"B against A: {exact_points(paired.difference)} points, 95% CI {exact_points(paired.low)} to "
        f"{exact_points(paired.high)}, {p_value(paired.p)}: {sure}"
    )


def _table(contest: Contest) -> list[str]:
    sides = contest.first, contest.second
    ratio = contest.cost_ratio
    rows = [
        ("", "A", "B"),
        ("solved", *(_rate(side) for side in sides)),
        ("cost per completed task", *(_money(side) for side in sides)),
        ("latency, median", *(_latency(side.latency_median_s) for side in sides)),
        ("latency, 95th percentile", *(_latency(side.latency_p95_s) for side in sides)),
        ("tampered", *(str(side.tampered) for side in sides)),
        ("infrastructure failures", *(str(side.infrastructure) for side in sides)),
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{label:{widths[0]}}  {a:{widths[1]}}  {b}".rstrip() for label, a, b in rows]
    if ratio is not None:
        between = _between(ratio.low, ratio.high, times)
        lines.append(f"B costs {times(ratio.value)} what A costs per completed task{between}")
    return lines


def _rate(side: Side) -> str:
    rate = side.rate
    if rate is None:
        return "no graded trial"
    trials = count(rate.trials, "trial")
    return f"{percent(rate.mean)} ({percent(rate.low)} to {percent(rate.high)}; {side.cost.completed:,} of {trials})"


def _money(side: Side) -> str:
    found = side.cost.per_completed
    if found is None:
        return f"{UNKNOWN}: {percent(side.cost.unknown_share)} of the cost is not known"
    return "nothing solved" if found.usd is None else money(found.usd) + _between(found.low, found.high, money)


def _latency(found: Quantile | None) -> str:
    if found is None:
        return UNKNOWN
    if not found.enough:
        return f"{duration(found.value)} ({found.values} trials are too few to be sure)"
    return duration(found.value) + _between(found.low, found.high, duration)


def _between(low: float | None, high: float | None, words: Callable[[float | None], str]) -> str:
    return f" ({words(low)} to {'any amount' if high is not None and math.isinf(high) else words(high)})"


def _flips(title: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return [f"{title}: no task"]
    shown = [f"  {flip.task}: {percent(flip.first)} of trials, then {percent(flip.second)}" for flip in flips]
    more = [f"  … and {len(shown) - _MOST_FLIPS} more"] if len(shown) > _MOST_FLIPS else []
    return [f"{title}: {count(len(flips), 'task')}", *shown[:_MOST_FLIPS], *more]


def _settle_lines(contest: Contest, gap: float) -> list[str]:
    paired = contest.paired
    if paired is None:
        return []
    lines = []
    seen = contest.more(abs(paired.difference))
    if seen is not None and not paired.established:
        lines.append(f"To show the difference that was seen: {more_words(contest, seen)}")
    wanted = contest.more(gap)
    if wanted is not None:
        enough = "these tasks and trials are enough"
        said = more_words(contest, wanted) if cheapest(contest, wanted) else enough
        lines.append(f"To show a difference of {gap * 100:g} points: {said}")
    return ["", *lines] if lines else []
