"""`worktrial validate`: prove candidates by running their tests before and after."""

from __future__ import annotations

import os
from pathlib import Path

import click


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
def command(**given: object) -> int:
    """Prove the candidates of SUITE, newest first.

    Each change is put back, its environment built, and its tests run several times before and after, each time in a
    fresh copy. A candidate with a stable test that only passes with the change becomes a task; every other one is kept
    with its reason and evidence. Stopped work is taken up again by the same command.
    """
    from worktrial.cli.validate_command import prove

    return prove(given)
