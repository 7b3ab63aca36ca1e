"""What `worktrial validate` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from worktrial.analyse.words import duration
from worktrial.cli.output import print_json, talk, warn_of
from worktrial.cli.progress import command, same_command
from worktrial.cli.stability import print_relevance, print_stability
from worktrial.cli.validation import Validation
from worktrial.curate.bench import Settings
from worktrial.sandboxes.select import choose
from worktrial.store.suite import Suite


def prove(given: Mapping[str, Any]) -> int:
    """Validate what the options ask for and return the exit code: 0 some candidate is a task, 1 none, 130 stopped."""
    suite, limit = Suite.open(given["suite"]), given["limit"]
    sandbox = choose(given["sandbox"], given["runtime"])
    warn_of(sandbox)
    settings = Settings(runs=given["runs"], jobs=given["jobs"], timeout_s=given["timeout"], thorough=given["thorough"])
    validation = Validation(suite, sandbox, settings, limit, retry_infrastructure=given["retry_infrastructure"])
    try:
        summary = asyncio.run(validation.run())
    except KeyboardInterrupt:
        talk.print(f"\nStopped. Nothing is lost; go on with:\n  {same_command()}", markup=False, soft_wrap=True)
        return 130
    validation.print_funnel(summary)
    talk.print(
        f"{summary.accepted} of {summary.candidates} candidates are tasks now"
        + (f"; {duration(summary.test_s)} of tests" if summary.test_s else "")
        + ("" if validation.decided else "; nothing had changed")
        + f"; what was run and printed is in {given['suite'] / 'evidence'}",
        markup=False,
        soft_wrap=True,
    )
    flips = print_stability(summary, thorough=settings.thorough)
    relevance = print_relevance(summary)
    if given["judge_model"] is not None:
        from worktrial.cli.judging import relevance_judged  # the gateway is not for those who ask no model

        relevance |= relevance_judged(suite, limit, given["judge_model"], given["config"])
    if summary.accepted:
        talk.print(f"Next: {command('run', given['suite'])} --out DIR --dry-run", markup=False, soft_wrap=True)
    if given["as_json"]:
        funnel = {"funnel": summary.funnel, "candidates": summary.candidates, "accepted": summary.accepted}
        print_json({**funnel, **relevance, **flips})
    return 0 if summary.accepted else 1
