"""Whether the project's checks as tools help: each agent with them against itself without, task by task."""

from __future__ import annotations

from typing import Any

from worktrial.analyse.summary import RunSummary, outcomes
from worktrial.cli.contenders import VERIFIED
from worktrial.cli.output import talk


def print_verified(summary: RunSummary) -> dict[str, Any]:
    """Print the paired comparisons of a run made with `--with-verify`; return them as `--json` has them."""
    from worktrial.analyse.paired import compare

    names = {agent.name for agent in summary.agents}
    found: dict[str, Any] = {}
    for name in sorted(names):
        if name + VERIFIED not in names:
            continue
        given, plain = (
            outcomes([row for row in summary.rows if row.agent == one], summary.request)
            for one in (name + VERIFIED, name)
        )
        paired = compare(given, plain)
        if paired is None:
            talk.print(f"{name} with its project's checks as tools: too few tasks graded for both", markup=False)
            continue
        points = [100 * value for value in (paired.difference, paired.low, paired.high)]
        sure = "" if paired.established else "; not established"
        talk.print(
            f"{name} with its project's checks as tools: {points[0]:+.1f} points "
            f"(95% CI {points[1]:+.1f} to {points[2]:+.1f}, {paired.tasks} tasks){sure}",
            markup=False,
        )
        found[name] = {
            "difference": paired.difference,
            "ci95": [paired.low, paired.high],
            "p": paired.p,
            "tasks": paired.tasks,
        }
    return {"verify": found} if found else {}
