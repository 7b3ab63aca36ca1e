"""`worktrial view`: the report of a run while it goes on, in the browser of this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1; 0, the default, is any.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml: rates, score, thresholds."
)
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def command(**given: object) -> int:
    """Show RUN as it is now, and keep the page up to date while the run goes on.

    The same pages as `worktrial report`, made when they are asked for and served to this machine alone, for reading
    alone. Prints the address; Ctrl-C ends it.
    """
    from worktrial.cli.view_command import run

    return run(given)
