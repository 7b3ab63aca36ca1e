"""`worktrial grade`: grade the trials of a run again."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("grade")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Trials at once.")
@click.option("--suite", type=click.Path(path_type=Path), help="Where the suite is now, if it was moved.")
@click.option("--missing", is_flag=True, help="Only trials that have no verdict.")
@click.option("--sandbox", default=None, help="Isolation; by default that of the run.")
@click.option("--runtime", metavar="NAME", help="Of docker or podman: runc, crun, runsc (gVisor), …")
@click.option("--no-redact", is_flag=True, help="Keep keys, addresses, homes and hosts in what tests printed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(
    run: Path,
    *,
    jobs: int,
    suite: Path | None,
    sandbox: str | None,
    runtime: str | None,
    missing: bool,
    no_redact: bool,
    as_json: bool,
) -> int:
    """Grade every finished trial of RUN again: patch and tests in a fresh copy, the verdict written anew."""
    import asyncio

    from worktrial.cli.grade_command import Grading, conclude
    from worktrial.cli.output import talk, warn_of
    from worktrial.sandboxes.select import choose
    from worktrial.store.run import RunDir
    from worktrial.store.suite import Suite

    opened = RunDir.open(run)
    tasks = Suite.open(suite or Path(opened.request().suite))
    as_before = sandbox is None or sandbox == opened.lock().sandbox
    chosen = choose(sandbox or opened.lock().sandbox, runtime or (opened.request().runtime if as_before else None))
    warn_of(chosen)
    if tasks.digest() != opened.lock().suite_digest:
        talk.print("warning: the suite has changed since the run; graded is by its tests of today")
    grading = Grading(opened, tasks, chosen, jobs, redact=not no_redact)
    asyncio.run(grading.work(only_missing=missing))
    conclude(opened, as_json=as_json)
    return 0
