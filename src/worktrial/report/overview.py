"""The first page."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from worktrial.analyse.decision import broken_controls, decimals_of
from worktrial.analyse.habits import KINDS
from worktrial.analyse.summary import RunSummary, TrialRow
from worktrial.analyse.words import duration
from worktrial.formats.base import now
from worktrial.pages.text import plain
from worktrial.report import figures, money
from worktrial.report.charts import difference_bar, log_axis, rate_axis, rate_bar
from worktrial.report.grid import Grid
from worktrial.report.landed import Landed
from worktrial.report.live import NOT_LIVE, Live
from worktrial.report.pareto import pareto_chart
from worktrial.report.reckoning import Reckoning
from worktrial.report.render import Links, render

CERTAINTY = {
    "established": ("Established", "chance alone hardly explains this lead"),
    "not_established": ("Not established", "chance alone could explain the difference"),
    "unfinished": ("Run not finished", "the figures will still move"),
    "smoke_test": ("Smoke test only", "too few tasks to decide by"),
    "one_agent": ("No comparison", "only one agent has a result"),
    "controls_only": ("Controls only", "no agent was tried"),
    "no_data": ("Nothing to go by", "no trial of an agent is graded"),
    "untrustworthy": ("Do not trust", "a control failed"),
}
"""How sure the decision is, in words for those who don't read intervals."""


_WHOLE = re.compile(r"(--[a-z][a-z-]*|\bp (?:=|&lt;) [.\d]+)")


@dataclass(frozen=True)
class Failure:
    """Infrastructure failures of one agent with one cause."""

    agent: str
    cause: str
    rows: list[TrialRow]


def index_page(found: Reckoning, landed: Landed, live: Live = NOT_LIVE) -> str:
    """Return the first page."""
    summary, decision, links = found.summary, found.decision, Links()
    agents = [*summary.contenders, *summary.controls]
    habits, times = figures.all_habits(summary), figures.times(summary)
    rows = Grid(summary, landed, links, live)
    failed = failures(summary)
    verdict, _, reason = decision.headline.partition(": ")
    lead = decision.lead or summary.lead
    values: dict[str, Any] = {
        "summary": summary,
        "decision": decision,
        "verdict": (verdict, reason),
        "certainty": CERTAINTY[decision.level],
        "why": unbroken(decision.certainty),
        "landed": landed,
        "agents": agents,
        "rate_bar": rate_bar,
        "axis": rate_axis(),
        "lead": lead,
        "difference": difference_bar(lead.paired) if lead and lead.paired else None,
        "decimals": decimals_of(lead.paired) if lead and lead.paired else 0,
        "found": found,
        "tied": figures.tied(found),
        **_worth(found),
        "times": times[0],
        "time_axis": log_axis(times[1], duration),
        "habits": habits,
        "tool_kinds": [kind for kind in KINDS if any(kind == called for habit in habits for called, *_ in habit.calls)],
        "splits": figures.all_splits(summary, landed),
        "grid_rows": rows.rows(),
        "shows": rows.shows(),
        "controls_hold": bool(summary.controls) and not broken_controls(summary),
        "failures": failed,
        "missing": figures.missing(summary),
        "caveats": figures.all_caveats(summary, landed),
        "reviewed": sum(bool(landed.reviews(task)) for task in summary.request.tasks),
        "dates": dates(summary),
        "made_at": now(),
        "under_way": live.under_way,
    }
    return render("index.html", links, live=live.is_live, **values, contents=_contents(values))


def _worth(found: Reckoning) -> dict[str, Any]:
    """Return what the page says of cost, and of quality by cost."""
    points, by_time = figures.points(found)
    taken = found.decision.agent or found.decision.keep
    return {
        "pareto": pareto_chart(points, "seconds" if by_time else "usd", taken),
        "pareto_points": figures.beaten_by(points),
        "by_time": by_time,
        "costs": money.cost_views(found),
        "cost_parts": money.counted_parts(found),
        "uncounted": money.uncounted_parts(found),
        "fates": money.FATES,
        "scores": money.score_views(found.scoring) if found.scoring else [],
        "score_words": money.score_words(found.scoring) if found.scoring else "",
        "criteria": list(money.CRITERION_NAMES.values()),
        "routes": money.route_views(found),
    }


def _contents(values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return id and words of the sections below the first screen."""
    caveats, failed = values["caveats"], values["failures"]
    listed = [
        (bool(values["costs"]), "cost", "Cost"),
        (bool(values["scores"]), "score", "Weighted score"),
        (bool(values["routes"]), "routes", "Cheap first"),
        (bool(values["times"]), "time", "Time"),
        (bool(values["habits"]), "tools", "Tool use"),
        (bool(values["splits"]), "kinds", "Kinds of task"),
        (True, "tasks", "Task by task"),
        (bool(failed), "failures", f"Infrastructure failures ({sum(len(one.rows) for one in failed):,})"),
        (bool(caveats), "caveats", f"Caveats ({len(caveats)})"),
        (True, "run", "What was run"),
    ]
    return [(id_, words) for there, id_, words in listed if there]


def unbroken(text: str) -> Markup:
    """Return text in which no option of a command and no p-value is broken between lines."""
    whole = _WHOLE.sub(r'<span class="one">\1</span>', str(escape(plain(text))))
    return Markup(whole)  # noqa: S704  # all but our own tags was escaped


def failures(summary: RunSummary) -> list[Failure]:
    """Return the infrastructure failures by agent and cause, the most frequent first."""
    found: dict[tuple[str, str], list[TrialRow]] = defaultdict(list)
    for row in summary.rows:
        if row.outcome == "infrastructure":
            found[row.agent, row.cause].append(row)
    listed = [Failure(agent, cause, rows) for (agent, cause), rows in found.items()]
    return sorted(listed, key=lambda failure: (-len(failure.rows), failure.agent, failure.cause))


def dates(summary: RunSummary) -> str:
    """Return the day or days on which trials started."""
    days = [row.started_at.date() for row in summary.rows if row.started_at] or [summary.lock.started_at.date()]
    first, last = (f"{day.day} {day:%B %Y}" for day in (min(days), max(days)))
    return first if first == last else f"{first} to {last}"
