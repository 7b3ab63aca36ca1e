"""`worktrial compare`: two agents against each other, task by task."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="[B]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--agent", "agents", multiple=True, metavar="NAME",
    help="Which agent. Twice: first that of A, then that of B (or the second of A, without B).",
)  # fmt: skip
@click.option(
    "--delta", "points", type=click.FloatRange(0, 100, min_open=True), default=5.0, show_default=True, metavar="POINTS",
    help="Say what would show a difference of so many points.",
)  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml; [rates] counts.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON on standard output.")
def command(
    first: Path, second: Path | None, *, agents: tuple[str, ...], points: float, config: Path | None, as_json: bool
) -> int:
    """Compare the agent of run B with that of run A, or two agents of run A, on the tasks that both were graded on.

    Differences are B minus A. Tasks of one run only are left out, and so are those that the two suites changed.
    """
    from worktrial.cli.compare_command import compare

    return compare(first, second, agents, points / 100, config=config, as_json=as_json)
