"""`worktrial report`: write a static report of a run."""

from __future__ import annotations

from pathlib import Path

import click

from worktrial.cli.output import print_json, talk
from worktrial.store.run import RunDir


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the pages; an old report goes.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="Instead of ./worktrial.toml: rates, score, thresholds."
)
@click.option("--json", "as_json", is_flag=True, help="Print the agents' figures as JSON on standard output.")
def command(run: Path, out: Path, config: Path | None, as_json: bool) -> None:
    """Write a static report of RUN that opens from disk, with no network.

    A run that is still going on can be reported too; the report says what is missing.
    """
    from worktrial.analyse.summary import agents_json
    from worktrial.cli.configuration import read_configuration
    from worktrial.pages.text import plain
    from worktrial.report.site import build

    built = build(RunDir.open(run), out, read_configuration(config))
    talk.print(plain(built.decision.sentence), markup=False)
    talk.print(f"report: {built.index}", markup=False, soft_wrap=True)
    if as_json:
        print_json(agents_json(built.summary))
