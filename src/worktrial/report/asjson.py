"""The figures of a report as `report.json`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from worktrial.analyse.criteria import CRITERIA
from worktrial.analyse.reviews import doubts, tally
from worktrial.analyse.routing import Route
from worktrial.analyse.score import Scoring
from worktrial.analyse.summary import AgentSummary, TrialRow, agents_json
from worktrial.formats.base import now
from worktrial.pages.text import plain
from worktrial.report.figures import all_caveats, all_splits, split_rows
from worktrial.report.landed import Landed
from worktrial.report.reckoning import Reckoning


def report_json(found: Reckoning, landed: Landed) -> dict[str, Any]:
    """Return `report.json`: the decision, the agents' figures, and one row per trial."""
    summary, decision = found.summary, found.decision
    lead = decision.lead or summary.lead
    paired = lead.paired if lead else None
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
            "keep": decision.keep,
            "caveats": all_caveats(summary, landed),
        },
        "comparison": paired
        and lead
        and {
            "best": lead.best.name,
            "second": lead.second.name,
            "difference": paired.difference,
            "ci95": [paired.low, paired.high],
            "p": paired.p,
            "tasks": paired.tasks,
            "detectable": paired.detectable,
        },
        "agents": {
            agent.name: common[agent.name] | _agent_json(agent) | _cost_json(found, agent.name)
            for agent in summary.agents
        },
        "tie_groups": found.comparisons.groups if found.comparisons else None,
        "score": found.scoring and _score_json(found.scoring),
        "routes": [_route_json(route) for route in found.routes],
        "splits": split_rows(all_splits(summary, landed)),
        "reviews": _reviews_json(summary.request.tasks, landed),
        "trials": [_row_json(row) for row in summary.rows],
    }


def _reviews_json(tasks: Sequence[str], landed: Landed) -> dict[str, Any]:
    """Return what reviewers said of the run's tasks, those that nobody reviewed left out."""
    found = {task: reviews for task in tasks if (reviews := landed.reviews(task))}
    return {
        "reviewed": len(found),
        "share": len(found) / len(tasks) if tasks else None,
        "tasks": {
            task: {"reviewers": len(reviews), "labels": tally(reviews), "doubts": doubts(reviews)}
            for task, reviews in found.items()
        },
    }


def _cost_json(found: Reckoning, agent: str) -> dict[str, Any]:
    """Return what a completed task costs; controls have no such figure."""
    cost = found.costs.get(agent)
    if cost is None:
        return {}
    each = cost.per_completed
    return {
        "cost_per_completed_usd": each and each.usd,
        "cost_per_completed_ci95": each and [each.low, each.high if math.isfinite(each.high) else None],
        "cost_per_accepted_usd": cost.per_accepted and cost.per_accepted.usd,
        "cost_unknown_share": cost.unknown_share,
        "cost_parts": {
            part.name: {"known_usd": part.known_usd, "unknown": part.unknown} for part in cost.parts if part.counted
        },
    }


def _score_json(scoring: Scoring) -> dict[str, Any]:
    return {
        "weights": dict(zip(CRITERIA, scoring.weights, strict=True)),
        "winner": scoring.winner,
        "pareto": scoring.pareto,
        "scores": {one.name: one.score for one in scoring.ranked},
        "out": {one.name: [broken.criterion for broken in one.broken] for one in scoring.out},
        "winner_share": scoring.winner_share,
        "p_best": scoring.p_best,
        "flip": scoring.flip and {"to": scoring.flip.to, "moved": scoring.flip.moved},
    }


def _route_json(route: Route) -> dict[str, Any]:
    return {
        "agents": route.agents,
        "rate": route.rate and route.rate.mean,
        "escalated": route.escalated,
        "cost_per_completed_usd": route.per_completed and route.per_completed.usd,
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
