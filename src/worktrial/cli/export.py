"""`worktrial export`: a run's trials in the shapes of other tools."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--to", "shape", required=True, type=click.Choice(["csv", "sqlite", "parquet", "inspect"]),
    help="Parquet and Inspect need worktrial[parquet] and worktrial[inspect].",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path),
    help="sqlite: a file. csv, parquet: a folder, or a .csv or .parquet file for the trials alone. inspect: a folder.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON on standard output.")
def command(run: Path, *, shape: str, out: Path, as_json: bool) -> int:
    """Write every attempt of RUN, with its usage, tool use and verdict, for spreadsheets, databases and notebooks.

    Attempts that were set aside are among them; their outcome is set_aside. Unknown is empty, never 0.
    """
    from worktrial.cli.export_command import export

    return export(run, shape, out, as_json=as_json)
