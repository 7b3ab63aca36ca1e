"""`worktrial describe`: a suite beside all the work it came from."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("describe")
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for a page that opens from disk.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as one line of JSON on standard output.")
def command(suite: Path, out: Path | None, as_json: bool) -> None:
    """Set SUITE beside its candidates and every change that mining read: what does the benchmark not cover?

    Language, part of the repository, kind of work, size, spread, prompt length, age, AI share; how unlike the tasks are
    in each, and how unlike a random draw would be.
    """
    from worktrial.cli.describe_command import describe

    describe(suite, out, as_json=as_json)
