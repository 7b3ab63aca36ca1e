"""`--judge` of `mine` and `validate`: a model is asked too, with progress, and what it said is summed up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from worktrial.agents.questions import Judge
from worktrial.cli.configuration import read_configuration
from worktrial.cli.output import talk
from worktrial.cli.progress import working
from worktrial.cli.stability import print_judged
from worktrial.curate.judging import judge_relevance
from worktrial.curate.validate import chosen
from worktrial.mine.candidates import Mined
from worktrial.mine.judging import agreement, judge_prompts, with_model_kinds
from worktrial.store.suite import Suite


def with_kinds(mined: Mined, suite: Suite, model: str, config: Path | None) -> Mined:
    """Return what was mined with a model's word on the kind of work beside the rules'."""
    judge = Judge(model, read_configuration(config).gateway)
    with working("Asking", len(mined.candidates)) as work:
        said = asyncio.run(
            judge_prompts(
                suite, mined.candidates, judge, lambda one: work.done(f"{one.of}: {one.error}" if one.error else None)
            )
        )
    same = ", ".join(f"{what} {count} of {total}" for what, (count, total) in agreement(said).items())
    failed = sum(bool(one.error) for one in said)
    talk.print(f"rules and {model} agree: {same}" + (f"; {failed} without an answer" if failed else ""), markup=False)
    return replace(mined, candidates=with_model_kinds(mined.candidates, said))


def relevance_judged(suite: Suite, limit: int | None, model: str, config: Path | None) -> dict[str, Any]:
    """Ask a model about the test files of what was validated, and return what is to be said of it."""
    judge = Judge(model, read_configuration(config).gateway)
    candidates = chosen(suite, limit)
    with working("Asking", len(candidates)) as work:
        said = asyncio.run(judge_relevance(suite, candidates, judge, lambda one: work.done(one.error or None)))
    return print_judged(said)
