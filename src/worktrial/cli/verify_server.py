"""`worktrial verify-server`: a repository's own checks for any MCP client."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("verify-server")
@click.argument("repository", type=click.Path(path_type=Path), default=".")
@click.option("--print", "only_print", is_flag=True, help="Print the client's settings for it, as JSON, and end.")
def command(*, repository: Path, only_print: bool) -> int:
    """Serve the tests, diagnostics, lint, format and build of REPOSITORY over the Model Context Protocol (stdio).

    The same server is what `worktrial run --with-verify` gives to agents inside their sandbox. Here it runs as you,
    with the repository's .venv, if it has one, first on the PATH.
    """
    import json
    import os

    from worktrial.agents.verify import NAME, server_command
    from worktrial.errors import RepositoryError
    from worktrial.languages import load

    root = repository.absolute()
    if not root.is_dir():
        raise RepositoryError(f"there is no folder {repository}", hint="name the repository to check")

    def read(path: str) -> str | None:
        file = root / path
        return file.read_text("utf-8", "replace") if file.is_file() else None

    own = os.environ.get("PATH", os.defpath)
    search_path = f"{root / '.venv/bin'}:{own}" if (root / ".venv/bin").is_dir() else own
    argv, _ = server_command(load(_language(root)).checks(read, search_path))
    if only_print:
        click.echo(json.dumps({"mcpServers": {NAME: {"command": argv[0], "args": list(argv[1:])}}}, indent=1))
        return 0
    os.chdir(root)
    os.environ["PATH"] = search_path
    os.execv(argv[0], argv)  # noqa: S606 - a program of ours
    raise AssertionError("exec does not return")


def _language(root: Path) -> str:
    """Return the language with most tests in the repository at `root`; the usual one where there is no telling."""
    from worktrial.errors import WorktrialError
    from worktrial.languages import DEFAULT, detect
    from worktrial.store.git import open_repository

    try:
        git = open_repository(root)
        found, _ = detect(git.tree_files(git.text("rev-parse", "HEAD^{tree}")))
    except WorktrialError:
        found = None
    return found or DEFAULT
