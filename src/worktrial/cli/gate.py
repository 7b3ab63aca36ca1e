"""`worktrial gate`: let a run pass, or not, against a baseline."""

from __future__ import annotations

from pathlib import Path

import click

from worktrial.cli.verdicts import VerdictCommand


@click.command("gate", cls=VerdictCommand)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--baseline", required=True, type=click.Path(path_type=Path), metavar="RUN", help="What to hold it to.")
@click.option("--agent", metavar="NAME", help="Of the run; not needed where it has one contender.")
@click.option("--baseline-agent", metavar="NAME", help="Of the baseline.  [default: of the same name]")
@click.option(
    "--min-delta", "points", type=click.FloatRange(0, 100), metavar="POINTS",
    help="Smallest loss of solve rate that matters.  [default: 5]",
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml; its table [gate] counts.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write a summary; where $GITHUB_STEP_SUMMARY is set, it is added there too.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON on standard output.")
def command(**given: object) -> int:
    """Hold RUN to a baseline, and to the limits in the table [gate] of worktrial.toml.

    It passes when a loss of --min-delta points or more is ruled out (95% interval of the paired difference), regresses
    when any loss is established, and is inconclusive otherwise: it says then how many more trials would settle it.

    Exit codes: 0 pass, 1 regress, 2 inconclusive, 4 called wrongly or failed.
    """
    from worktrial.cli.gate_command import gate

    return gate(given)
