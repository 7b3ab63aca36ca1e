"""The figures of a report as `report.json`."""

from __future__ import annotations

from typing import Any

from worktrial.analyse.decision import Decision, caveats
from worktrial.analyse.summary import AgentSummary, RunSummary, TrialRow, agents_json
from worktrial.formats.base import now
from worktrial.report.figures import all_splits, split_rows
from worktrial.report.landed import Landed
from worktrial.report.text import plain


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
            "keep": decision.keep,
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
        "splits": split_rows(all_splits(summary, landed)),
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
        "cost_per_completed_usd": agent.cost_per_completed_usd,
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
