"""Every commit that a repository knows of, landed or not: what sessions made before it was squashed, rebased, amended.

Branches, tags, pull requests' refs, what the reflog still names, and single objects that nothing names any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from worktrial.store.git import Git, GitError

_NO_WORK = re.compile(r"(?:^|/)entire/|^refs/(?:notes|stash|bisect|replace)(?:/|$)")
"""Refs whose commits hold records and not work."""

_FIELDS = "%H%x00%P%x00%at%x00%ct%x00%ae%x00%an%x00%B"
_WIDTH = 7


@dataclass(frozen=True, slots=True)
class Known:
    """A commit of any branch, or of none."""

    id: str
    parents: tuple[str, ...]
    authored_at: datetime
    """When it was first made: amending, rebasing and cherry-picking keep it."""
    committed_at: datetime
    author: str
    """`name <address>`."""
    message: str

    @property
    def subject(self) -> str:
        """First line of the message."""
        return self.message.split("\n", 1)[0].strip()


def known_commits(git: Git, view: Git, *, since: datetime | None = None) -> dict[str, Known]:
    """Return every commit in reach of a ref or of the reflog, by id; none committed before `since`.

    `view` reads the objects of `git` and none of its settings. A ref whose commits are missing is left out.
    """
    tips = _tips(git, view)
    limit = () if since is None else (f"--since={int(since.timestamp())}",)
    try:
        return {item.id: item for item in _read(view, tips, limit)}
    except GitError:
        found: dict[str, Known] = {}
        for tip in tips:
            try:
                found.update((item.id, item) for item in _read(view, [tip], limit))
            except GitError:
                continue
        return found


def unnamed_commits(view: Git, ids: Iterable[str]) -> dict[str, Known]:
    """Return those of `ids`, full or abbreviated, that are commits of this clone, by what they were asked by.

    An abbreviation that fits more than one object is left out.
    """
    asked = list(dict.fromkeys(ids))
    answers = _check(view, asked)
    full = {short: answer[0] for short, answer in zip(asked, answers, strict=True) if answer[1:2] == ["commit"]}
    if not full:
        return {}
    read = {item.id: item for item in _read(view, sorted(set(full.values())), ("--no-walk",))}
    return {short: read[oid] for short, oid in full.items() if oid in read}


def _tips(git: Git, view: Git) -> list[str]:
    """Return the ids of all commits that refs and reflogs name and this clone has."""
    listed = git.text("for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    names = [line.split(" ", 1) for line in listed]
    wanted = [oid for oid, name in names if not _NO_WORK.search(name)]
    records = {oid for oid, name in names if _NO_WORK.search(name)}
    try:
        logged = git.text("rev-list", "--ignore-missing", "--no-walk", "--reflog").split()
    except GitError:
        logged = []  # a reflog of objects that were pruned
    wanted += [oid for oid in logged if oid not in records]
    wanted.append(git.text("rev-parse", "HEAD^{commit}"))
    asked = list(dict.fromkeys(wanted))
    answers = _check(view, [f"{oid}^{{commit}}" for oid in asked])
    return list(dict.fromkeys(answer[0] for answer in answers if answer[1:2] == ["commit"]))


def _check(view: Git, names: list[str]) -> list[list[str]]:
    """Return `[id, type]` for each name; of what is missing or ambiguous, something else."""
    if not names:
        return []
    asked = "".join(f"{name}\n" for name in names).encode()
    answers = view.run("cat-file", "--batch-check=%(objectname) %(objecttype)", data=asked)
    return [line.split(" ") for line in answers.decode("utf-8", "replace").splitlines()]


def _read(view: Git, tips: list[str], options: tuple[str, ...]) -> Iterator[Known]:
    """Yield the commits that `tips` reach."""
    printed = view.run(
        "log", "-z", "--encoding=UTF-8", "--no-show-signature", f"--format={_FIELDS}", *options, "--stdin",
        data="".join(f"{tip}\n" for tip in tips).encode(),
    )  # fmt: skip
    fields = printed.decode("utf-8", "replace").split("\0")
    for commit, parents, authored, committed, address, name, message in zip(
        *(fields[at::_WIDTH] for at in range(_WIDTH)), strict=False
    ):
        yield Known(
            id=commit,
            parents=tuple(parents.split()),
            authored_at=_moment(authored),
            committed_at=_moment(committed),
            author=f"{name} <{address}>",
            message=message.replace("\r\n", "\n").strip("\n"),
        )


def _moment(seconds: str) -> datetime:
    """Return a commit's date; what no calendar holds becomes the nearest that one does."""
    return datetime.fromtimestamp(min(max(int(seconds or 0), 0), 253_402_300_799), UTC)
