"""`worktrial demo`: all of it in one go, with no key and no model."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option("--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder to use.")
@click.option("--repo", type=click.Path(path_type=Path), help="Repository to use instead.")
@click.option(
    "--sandbox", default="auto", show_default=True, help="Isolation: auto, namespaces, podman, docker, landlock, none."
)
def command(out: Path, repo: Path | None, sandbox: str) -> int:
    """Mine a repository with real history, prove its tasks, run agents on them, and write the report.

    The repository is the checkout worktrial lives in when that has enough history, otherwise a small one that comes
    with it. The agents are the two controls and two scripted ones, so that no model is needed.
    """
    from worktrial.cli.demo_command import run

    return run(out, repo, sandbox)
