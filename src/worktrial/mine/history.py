"""The commits of a repository: its mainline, and everything that came in by merges. No tree or file is read here."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from worktrial.errors import RepositoryError
from worktrial.store.files import writing
from worktrial.store.git import Git, GitError, objects_dir, scratch_repository


@dataclass(frozen=True)
class Commit:
    """One commit; `committed_at` is the committer's date, which is when it landed for most workflows."""

    id: str
    tree: str
    parents: tuple[str, ...]
    committed_at: datetime
    message: str

    @property
    def subject(self) -> str:
        """First line of the message."""
        return self.message.split("\n", 1)[0].strip()


@dataclass(frozen=True)
class History:
    """What was read of a repository."""

    head: str
    mainline: tuple[str, ...]
    """Ids of the commits on the way from HEAD by first parents, newest first, as far as the limits reach."""
    commits: dict[str, Commit]
    """The mainline and everything it brought in."""
    shallow: frozenset[str]
    """Commits whose parents were cut off when the repository was cloned."""


@contextlib.contextmanager
def reading(git: Git) -> Iterator[Git]:
    """Yield a view of a repository's objects with none of its configuration.

    In a partial clone, git asks the promisor remote for an object it lacks, and dies when it may not; seen through the
    view there is no remote, so that a missing object is simply missing. Replacement refs and grafts do not apply.
    Raises `RepositoryError` for a repository whose ids are not SHA-1.
    """
    if (kind := git.text("rev-parse", "--show-object-format")) != "sha1":
        raise RepositoryError(
            f"{git.git_dir} has {kind} object ids",
            cause="only repositories with sha1 ids can be read so far",
        )
    with tempfile.TemporaryDirectory(prefix="worktrial-mine-") as folder:
        view = scratch_repository(Path(folder) / "view.git", objects_dir(git))
        cut = _shallow_file(git)
        if cut.exists():
            with writing(view.git_dir):
                (view.git_dir / "shallow").write_bytes(cut.read_bytes())
        yield view


def read_history(
    git: Git, view: Git, *, max_commits: int | None, since: datetime | None, revision: str = "HEAD"
) -> History:
    """Read the newest `max_commits` commits of the mainline (None: all) no older than `since`, and what they brought.

    Raises `RepositoryError` when a commit in reach is missing.
    """
    head = git.text("rev-parse", f"{revision}^{{commit}}")
    mainline, rest = _mainline(view, head, max_commits, since)
    shallow = _shallow_file(git)
    read = _commits(view, head, f"^{rest}" if rest else None) if mainline else ()
    return History(
        head=head,
        mainline=tuple(mainline),
        commits={commit.id: commit for commit in read},
        shallow=frozenset(shallow.read_text().split()) if shallow.exists() else frozenset(),
    )


def _mainline(view: Git, head: str, max_commits: int | None, since: datetime | None) -> tuple[list[str], str | None]:
    """Return the mainline's ids, newest first, and the first one beyond the limits (None: none is left)."""
    limit = () if max_commits is None else (f"--max-count={max_commits + 1}",)
    listed = _log(view, "--first-parent", "--format=%H %ct", *limit, head).split("\0")
    found = [line.split(" ") for line in listed if line]
    count = len(found) if max_commits is None else min(max_commits, len(found))
    if since is not None:
        # Dates need not fall along the line: read on to the last commit that is new enough.
        count = max((at + 1 for at in range(count) if int(found[at][1]) >= since.timestamp()), default=0)
    return [commit for commit, _ in found[:count]], found[count][0] if count < len(found) else None


def _commits(view: Git, *revisions: str | None) -> Iterator[Commit]:
    """Yield every commit that `revisions` select, newest first."""
    fields = _log(view, "--format=%H%x00%T%x00%P%x00%ct%x00%B", *filter(None, revisions)).split("\0")
    for commit, tree, parents, seconds, message in zip(*(fields[at::5] for at in range(5)), strict=False):
        yield Commit(
            id=commit,
            tree=tree,
            parents=tuple(parents.split()),
            committed_at=_moment(int(seconds)),
            message=message.replace("\r\n", "\n").strip("\n"),
        )


def _log(view: Git, *args: str) -> str:
    """Return the NUL-separated output of `git log`, messages recoded to UTF-8 and what cannot be as U+FFFD."""
    try:
        output = view.run("log", "-z", "--encoding=UTF-8", "--no-show-signature", *args)
    except GitError as error:
        raise RepositoryError(
            "the history cannot be read to its end",
            cause=error.cause,
            hint="commits are missing or damaged: see git fsck, or fetch the clone again",
        ) from error
    return output.decode("utf-8", "replace")


def _moment(seconds: int) -> datetime:
    """Return a commit's date; dates no calendar holds (they exist in old imports) become the nearest one."""
    return datetime.fromtimestamp(min(max(seconds, 0), 253_402_300_799), UTC)


def _shallow_file(git: Git) -> Path:
    path = Path(git.text("rev-parse", "--git-path", "shallow"))
    return path if path.is_absolute() else git.git_dir / path
