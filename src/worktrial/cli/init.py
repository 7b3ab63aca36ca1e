"""`worktrial init`: a `worktrial.toml` for what is here."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("repository", type=click.Path(path_type=Path), default=".")
@click.option("--out", type=click.Path(path_type=Path), help="Where to write; default: worktrial.toml in this folder.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on standard output.")
def command(*, repository: Path, out: Path | None, force: bool, as_json: bool) -> int:
    """Look at REPOSITORY, and at which agents and keys are here, and write a worktrial.toml that runs as it stands.

    Nothing is sent anywhere, and no key is written down: only the names of the variables that hold them are read.
    """
    from worktrial.cli.init_command import init

    return init(repository, out, force=force, as_json=as_json)
