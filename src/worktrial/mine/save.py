"""Where the result of mining goes: into a new suite, or over the candidates of an older reading."""

from __future__ import annotations

import re
from pathlib import Path

from worktrial.errors import UsageError
from worktrial.formats.base import now
from worktrial.formats.suite import SessionsAsked, SuiteInfo
from worktrial.languages import DEFAULT, detect
from worktrial.mine.candidates import Mined
from worktrial.store.git import Git, GitError
from worktrial.store.suite import Suite

_FILES = frozenset({
    "suite.toml", "candidates.jsonl", "rejections.jsonl", "redactions.jsonl", "classification.jsonl", "relevance.jsonl",
    "judge", "evidence", "tasks", "environments", "store.git", "reviews.jsonl", "history.jsonl", "retired",
})  # fmt: skip


def check_folder(folder: Path, repo: Path, git: Git) -> Suite:
    """Return the suite that is to be written, before any work is done for it.

    Raises `UsageError` for a folder with something else in it and for a suite of another repository, `FormatError` for
    a suite that cannot be read.
    """
    suite = Suite(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give another --suite")
    if not folder.exists():
        return suite
    if (folder / "suite.toml").exists():
        info = suite.info()
        if Path(info.repository) != repo.absolute() and not git.succeeds("cat-file", "-e", f"{info.head}^{{commit}}"):
            raise UsageError(
                f"the suite at {folder} is of another repository",
                cause=f"it was mined from {info.repository}",
                hint="give another --suite",
            )
        return suite
    # A reading that was killed leaves candidates without a suite.toml; those it may replace.
    foreign = sorted(
        found.name for found in folder.iterdir() if found.name not in _FILES and not found.name.startswith(".")
    )
    if foreign:
        raise UsageError(
            f"{folder} is neither empty nor a suite",
            cause=f"it holds {foreign[0]}" + (f" and {len(foreign) - 1} more" if foreign[1:] else ""),
            hint="give a new folder as --suite",
        )
    return suite


def save(
    suite: Suite, repo: Path, mined: Mined, *, redacted: bool = True, sessions: SessionsAsked | None = None
) -> None:
    """Write what was mined; tasks and evidence stay. `suite.toml` comes last: a suite with one is whole.

    `redacted` says whether `mined` is, `sessions` with which it was mined; validation and refreshes keep to it. Raises
    `StorageError`.
    """
    before = suite.info() if (suite.path / "suite.toml").exists() else None
    suite.rejections.replace(mined.rejections)
    suite.candidates.replace(mined.candidates)
    suite.redactions.replace(mined.redactions)
    suite.write_info(
        SuiteInfo(
            name=before.name if before is not None else suite.path.name,
            version=before.version if before is not None else 1,
            repository=str(repo.absolute()),
            head=mined.head,
            mined_at=now(),
            commits_read=mined.commits_read,
            redacted=redacted,
            sessions=sessions,
        )
    )


def prefix_of(suite: Suite, git: Git) -> str:
    """Return what candidates' ids begin with: what those of the suite do already, so that their evidence stays theirs.

    Raises `FormatError` when the suite's candidates cannot be read.
    """
    first = next(iter(suite.candidates), None)
    return first.id.rpartition("-")[0] if first else name_of(git)


def language_of(suite: Suite, git: Git, revision: str = "HEAD") -> str:
    """Return the name of the language a suite's candidates are in; of a new one's, that of most tests of the head.

    Raises `FormatError` when the suite's candidates cannot be read.
    """
    first = next(iter(suite.candidates), None)
    if first is not None:
        return first.language
    try:
        found, _ = detect(git.tree_files(git.text("rev-parse", f"{revision}^{{tree}}")))
    except GitError:  # no commit, or not all of it was cloned: mining says so itself
        found = None
    return found or DEFAULT


def name_of(git: Git) -> str:
    """Return the name of a repository's folder, fit for file names; of a bare one's without its `.git`."""
    parts = git.git_dir.parts
    folder = parts[parts.index(".git") - 1] if ".git" in parts[1:] else git.git_dir.name.removesuffix(".git")
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "task"
