"""`worktrial validate`: prove candidates by running their tests before and after."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from worktrial.store.suite import Suite


@click.command("validate")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each state.")
@click.option(
    "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Test processes at once."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the newest N candidates.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True, help="Seconds per test process."
)
@click.option(
    "--thorough", is_flag=True, help="Also run the tests of each task in changed order, alone, in parallel and shifted."
)
@click.option(
    "--sandbox", default="auto", show_default=True, help="Isolation: auto, namespaces, podman, docker, landlock, none."
)
@click.option("--runtime", metavar="NAME", help="Of docker or podman: runc, crun, runsc (gVisor), …")
@click.option("--retry-infrastructure", is_flag=True, help="Decide again what failed by network, disk or sandbox.")
@click.option(
    "--judge",
    "judge_model",
    metavar="MODEL",
    help="Ask MODEL too which test files concern a change; decides nothing.",
)
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration with the model servers of --judge."
)
@click.option("--json", "as_json", is_flag=True, help="Print the funnel as JSON on standard output.")
def command(
    suite: Path,
    *,
    runs: int,
    jobs: int,
    limit: int | None,
    timeout: float,
    thorough: bool,
    sandbox: str,
    runtime: str | None,
    retry_infrastructure: bool,
    judge_model: str | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Prove the candidates of SUITE, newest first.

    Each change is put back, its environment built, and its tests run several times before and after, each time in a
    fresh copy. A candidate with a stable test that only passes with the change becomes a task; every other one is kept
    with its reason and evidence. Stopped work is taken up again by the same command.
    """
    import asyncio

    from worktrial.cli.output import print_json, talk, warn_of
    from worktrial.cli.progress import same_command, seconds
    from worktrial.cli.session import Validation
    from worktrial.cli.stability import print_relevance, print_stability
    from worktrial.curate.bench import Settings
    from worktrial.sandboxes.select import choose
    from worktrial.store.suite import Suite

    opened = Suite.open(suite)
    chosen = choose(sandbox, runtime)
    warn_of(chosen)
    settings = Settings(runs=runs, jobs=jobs, timeout_s=timeout, thorough=thorough)
    session = Validation(opened, chosen, settings, limit, retry_infrastructure=retry_infrastructure)
    try:
        summary = asyncio.run(session.run())
    except KeyboardInterrupt:
        talk.print(f"\nStopped. Nothing is lost; go on with:\n  {same_command()}", markup=False, soft_wrap=True)
        return 130
    session.print_funnel(summary)
    talk.print(
        f"{summary.accepted} of {summary.candidates} candidates are tasks now"
        + (f"; {seconds(summary.test_s)} of tests" if summary.test_s else "")
        + ("" if session.decided else "; nothing had changed")
        + f"; what was run and printed is in {suite / 'evidence'}",
        markup=False,
        soft_wrap=True,
    )
    flips = print_stability(summary, thorough=thorough)
    relevance = print_relevance(summary)
    if judge_model is not None:
        relevance |= _judged(opened, limit, judge_model, config)
    if summary.accepted:
        talk.print(
            f"Next: {shlex.join(('worktrial', 'run', str(suite)))} --out DIR --dry-run", markup=False, soft_wrap=True
        )
    if as_json:
        funnel = {"funnel": summary.funnel, "candidates": summary.candidates, "accepted": summary.accepted}
        print_json({**funnel, **relevance, **flips})
    return 0 if summary.accepted else 1


def _judged(suite: Suite, limit: int | None, model: str, config: Path | None) -> dict[str, Any]:
    """Ask a model about the test files of what was validated, and return what is to be said of it."""
    import asyncio

    from worktrial.agents.questions import Judge
    from worktrial.cli.configuration import read_configuration
    from worktrial.cli.progress import working
    from worktrial.cli.stability import print_judged
    from worktrial.curate.judging import judge_relevance
    from worktrial.curate.validate import chosen

    asked = Judge(model, read_configuration(config).gateway)
    candidates = chosen(suite, limit)
    with working("Asking", len(candidates)) as work:
        said = asyncio.run(judge_relevance(suite, candidates, asked, lambda one: work.done(one.error or None)))
    return print_judged(said)
