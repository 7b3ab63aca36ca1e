"""The first page, and its figures as `report.json`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from worktrial.analyse.decision import Decision, broken_controls, caveats
from worktrial.analyse.summary import GRADED, AgentSummary, Outcome, RunSummary, TrialRow, agents_json
from worktrial.formats.base import now
from worktrial.pages.text import plain
from worktrial.report.charts import difference_bar, rate_axis, rate_bar
from worktrial.report.landed import Landed
from worktrial.report.render import Links, render

MARKS: dict[Outcome, tuple[str, str]] = {
    "solved": ("\N{CHECK MARK}", "solved"),
    "not_solved": ("\N{MULTIPLICATION X}", "not solved"),
    "tampered": ("\N{WARNING SIGN}", "tampered with: counts as not solved"),
    "infrastructure": ("!", "infrastructure failure"),
    "ungraded": ("?", "not graded"),
    "unfinished": ("\N{EN DASH}", "not finished"),
}
"""Sign and words of an outcome; never told apart by colour alone."""

CERTAINTY = {
    "established": ("Established", "chance alone hardly explains this lead"),
    "not_established": ("Not established", "chance alone could explain the difference"),
    "unfinished": ("Run not finished", "the figures will still move"),
    "smoke_test": ("Smoke test only", "too few tasks to decide by"),
    "one_agent": ("No comparison", "one agent alone"),
    "controls_only": ("Controls only", "no agent was tried"),
    "no_data": ("No result yet", "nothing is graded"),
    "untrustworthy": ("Do not trust", "a control failed"),
}
"""How sure the decision is, in words for those who don't read intervals."""


@dataclass(frozen=True)
class GridRow:
    """One task over all agents."""

    task: str
    title: str
    cells: list[Markup]
    differs: bool
    """Whether contenders with graded trials solved different shares of it."""


@dataclass(frozen=True)
class Failure:
    """Infrastructure failures of one agent with one cause."""

    agent: str
    cause: str
    rows: list[TrialRow]


def index_page(summary: RunSummary, decision: Decision, landed: Landed) -> str:
    """Return the first page."""
    links = Links()
    return render(
        "index.html",
        links,
        summary=summary,
        decision=decision,
        certainty=CERTAINTY[decision.level],
        landed=landed,
        agents=[*summary.contenders, *summary.controls],
        rate_bar=rate_bar,
        axis=rate_axis(),
        difference=difference_bar(summary.lead.paired) if summary.lead and summary.lead.paired else None,
        grid=grid(summary, landed, links),
        controls_hold=bool(summary.controls) and not broken_controls(summary),
        failures=failures(summary),
        caveats=caveats(summary),
        dates=dates(summary),
        made_at=now(),
    )


def mark(row: TrialRow, links: Links, *, here: bool = False) -> Markup:
    """Return a trial's sign, linked to its page where there is one; `here`: it is the page the sign is on."""
    sign, words = MARKS[row.outcome]
    if row.outcome == "unfinished":
        return Markup('<span class="m unfinished" title="not finished">{}</span>').format(sign)
    # By hand, for there may be thousands on the first page.
    address = escape(links.trial(row.agent, row.task, row.n))
    current = ' aria-current="page"' if here else ""
    html = f'<a class="m {row.outcome}" href="{address}" aria-label="trial {row.n}: {words}"{current}>{sign}</a>'
    return Markup(html)  # noqa: S704  # its one foreign part was escaped above


def grid(summary: RunSummary, landed: Landed, links: Links) -> list[GridRow]:
    """Return the tasks in the order of the run, with a cell per agent in the order of the first page."""
    cells: dict[tuple[str, str], list[TrialRow]] = defaultdict(list)
    for row in summary.rows:
        cells[row.task, row.agent].append(row)
    order = [*summary.contenders, *summary.controls]
    found = []
    for task in summary.request.tasks:
        shares = {_share(cells[task, agent.name]) for agent in summary.contenders} - {None}
        found.append(
            GridRow(
                task,
                landed.title(task),
                [_cell(cells[task, agent.name], links) for agent in order],
                differs=len(shares) > 1,
            )
        )
    return found


def _cell(rows: list[TrialRow], links: Links) -> Markup:
    graded = [row for row in rows if row.outcome in GRADED]
    solved = sum(row.outcome == "solved" for row in graded)
    figure = f"{solved}/{len(graded)}" if graded else "\N{EN DASH}"
    marks = Markup("").join(mark(row, links) for row in rows)
    return Markup('<span class="k">{}</span> <span class="ms">{}</span>').format(figure, marks)


def _share(rows: list[TrialRow]) -> float | None:
    graded = [row.outcome == "solved" for row in rows if row.outcome in GRADED]
    return sum(graded) / len(graded) if graded else None


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


def report_json(summary: RunSummary, decision: Decision, landed: Landed) -> dict[str, Any]:
    """Return `report.json`: the decision, the agents' figures, and one row per trial."""
    paired = summary.lead.paired if summary.lead else None
    common = agents_json(summary)["agents"]
    return {
        "format": "worktrial/report@1",
        "made_at": now().isoformat(),
        "worktrial": summary.lock.worktrial,
        "suite": {"name": landed.name, "digest": summary.lock.suite_digest, "tasks": len(summary.request.tasks)},
        "started_at": summary.lock.started_at.isoformat(),
        "decision": {
            "sentence": decision.sentence,
            "level": decision.level,
            "agent": decision.agent,
            "caveats": caveats(summary) + ([landed.problem] if landed.problem else []),
        },
        "comparison": paired
        and summary.lead
        and {
            "best": summary.lead.best.name,
            "second": summary.lead.second.name,
            "difference": paired.difference,
            "ci95": [paired.low, paired.high],
            "p": paired.p,
            "tasks": paired.tasks,
            "detectable": paired.detectable,
        },
        "agents": {agent.name: common[agent.name] | _agent_json(agent) for agent in summary.agents},
        "trials": [_row_json(row) for row in summary.rows],
    }


def _agent_json(agent: AgentSummary) -> dict[str, Any]:
    return {
        "kind": agent.config.kind,
        "model": agent.config.model,
        "control": agent.control,
        "tampered": agent.tampered,
        "ungraded": agent.ungraded,
        "unfinished": agent.unfinished,
        "attempts": agent.cost.attempts,
        "cost_usd": agent.cost.total_usd,
        "cost_known_usd": agent.cost.known_usd,
        "cost_unknown_attempts": agent.cost.unknown,
        "cost_per_trial_usd": agent.cost_per_trial_usd,
        "agent_s_median": agent.agent_s_median,
        "agent_s_total": agent.agent_s_total,
        "input_tokens": agent.input_tokens,
        "output_tokens": agent.output_tokens,
    }


def _row_json(row: TrialRow) -> dict[str, Any]:
    return {
        "agent": row.agent,
        "task": row.task,
        "n": row.n,
        "outcome": row.outcome,
        "cause": row.cause,
        "detail": plain(row.detail[:500]),
        "started_at": row.started_at and row.started_at.isoformat(),
        "cost_usd": row.cost_usd,
        "agent_s": row.agent_s,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
    }
