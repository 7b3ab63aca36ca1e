"""A small history to try worktrial on: the made-up project `tally`, kept as a `git fast-import` stream."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from worktrial.errors import UsageError


def write_history(folder: Path) -> Path:
    """Make a repository of the history in `folder`, which is new or empty, check it out, and return its path.

    The commits are the same, to the id, on every machine. Raises `UsageError`, `GitError` and `StorageError`.
    """
    from worktrial.store.files import writing  # heavy, and not needed to import this package
    from worktrial.store.git import Git

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="name a folder that is new or empty")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stream = resources.files(__name__).joinpath("history.fast-import").read_bytes()
    git = Git(folder.absolute() / ".git")
    git.run("init", "--quiet", "--template=", "--initial-branch=main")
    git.run("fast-import", "--quiet", "--date-format=raw", data=stream)
    Git(git.git_dir, work_tree=folder.absolute()).run("reset", "--quiet", "--hard")
    return folder
