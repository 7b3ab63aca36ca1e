"""`worktrial refresh`: a suite brought up to a newer head, as a new version of it."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command("refresh")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--head", metavar="REV", help="Commit to bring it up to.  [default: HEAD of the suite's repository]")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="At most N new tasks come in.  [default: all]")
@click.option("--keep-on-parent", is_flag=True, help="Keep tasks that no longer back out, on the tree before them.")
@click.option(
    "--sessions",
    metavar="PATH|auto|none",
    multiple=True,
    help="Logs whose prompts new tasks ask with, as for mine.  [default: those that the suite was mined with]",
)
@click.option("--yes", is_flag=True, help="Read the logs that auto finds without asking.")
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True, help="Runs of each state.")
@click.option(
    "--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, show_default=True, help="Test processes at once."
)
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True, help="Seconds per test process."
)
@click.option("--thorough", is_flag=True, help="Check tasks in changed order, alone, in parallel and shifted too.")
@click.option(
    "--sandbox", default="auto", show_default=True, help="Isolation: auto, namespaces, podman, docker, landlock, none."
)
@click.option("--runtime", metavar="NAME", help="Of docker or podman: runc, crun, runsc (gVisor), …")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON on standard output.")
def command(**given: object) -> int:
    """Bring SUITE up to a newer head of its repository; nothing is fetched.

    Its tasks are validated again on that head. Those that no longer back out, or whose tests have become unstable, move
    to retired/ with the reason; changes that landed since come in. The suite gets the next version, and history.jsonl
    says what came, stayed and went. Stopped work is taken up again by the same command.
    """
    from worktrial.cli.refresh_command import refresh

    return refresh(given)
