"""From a graph of commits to landed changes: what a team would call one piece of work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from worktrial.mine.history import Commit, History

MANY_COMMITS = 20
"""A merge that brings more commits than this is taken apart: nobody asks for that much in one sentence."""

_LONG_LIVED = (
    r"(?:[\w.-]+/)?(?:stable|main|master|trunk|develop|devel|dev|next|staging|production|maint(?:enance)?"
    r"|(?:stable|releases?|maint|maintenance)(?:/[\w.-]+|[_-]v?\d[\w.-]*)|[\w.]+[-_](?:stable|maintenance|maint|branch)"
    r"|v?\d+(?:[._](?:\d+|x))*(?:[._-](?:x|stable|maintenance|maint|dev|fixes|branch))?)"
)
_QUOTE = r"[`'\"]?"
_FORWARD = re.compile(
    rf"(?:auto[- ]?)?merged?\s+(?:in\s+)?(?:remote[- ]tracking\s+)?(?:branch(?:es)?\s+|tag\s+)?"
    rf"{_QUOTE}{_LONG_LIVED}{_QUOTE}"
    r"(?:\s+(?:branch|of|into|to|in|back|after|at|for|from)\b|\s*[;:,.(]|\s*$)",
    re.IGNORECASE,
)
_PULL_OF_RELEASE = re.compile(
    r"merge pull request \S+ from [\w.-]+/(?:merge[-_](?:stable|main|master|v?\d[\w.]*)\b.*"
    r"|stable|v?\d+(?:\.\d+)*\.x|(?:release|maint)[/_-].*)\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Landed:
    """One landed change: the difference of `commit` from `parent`."""

    commit: Commit
    parent: str
    """Empty when there is none to compare with: see `cut`."""
    kind: Literal["commit", "merge"]
    brought: tuple[Commit, ...]
    """The non-merge commits of the change, newest first; the commit itself for a plain one."""
    cut: bool = False
    """The parent exists but was cut off from this clone."""

    @property
    def single(self) -> Commit | None:
        """The one commit that a merge brought; None for plain commits and for merges of more."""
        one = self.brought[0] if self.kind == "merge" and len(self.brought) == 1 else None
        return one if one is not None and len(one.parents) == 1 else None


@dataclass(frozen=True)
class Forward:
    """A merge that only carries other work along: a long-lived branch, or more than one piece of work."""

    commit: Commit
    brought: int


def landed_changes(history: History) -> Iterator[Landed | Forward]:
    """Yield every landed change and every merge-forward, oldest first.

    A merge of a long-lived branch is no unit of work: that branch's own line is walked in its place, to what it
    brought that had not been seen before.
    """
    commits = history.commits
    seen: set[str] = set()
    waiting = list(history.mainline)
    while waiting:
        commit = commits[waiting.pop()]
        if commit.id in seen:
            continue
        seen.add(commit.id)
        if len(commit.parents) < 2:
            parent = commit.parents[0] if commit.parents else ""
            yield Landed(commit, parent, "commit", (commit,), cut=commit.id in history.shallow)
            continue
        reached = _reached(commits, commit, seen)
        brought = tuple(item for item in reached if len(item.parents) < 2)
        if is_forward(commit, len(brought)):
            yield Forward(commit, len(brought))
            for parent in reversed(commit.parents[1:]):
                waiting += _line(commits, parent, seen)
        else:
            seen.update(item.id for item in reached)
            yield Landed(commit, commit.parents[0], "merge", brought)


def is_forward(merge: Commit, brought: int) -> bool:
    """Tell whether a merge of `brought` non-merge commits carries along work that landed elsewhere."""
    if brought == 0 or brought > MANY_COMMITS:
        return True
    return bool(_FORWARD.match(merge.subject) or _PULL_OF_RELEASE.match(merge.subject))


def _reached(commits: dict[str, Commit], merge: Commit, seen: set[str]) -> list[Commit]:
    """Return what a merge reaches besides its first parent's line, newest first."""
    found: dict[str, Commit] = {}
    waiting = list(merge.parents[1:])
    while waiting:
        commit = commits.get(waiting.pop())
        if commit is None or commit.id in seen or commit.id in found:
            continue
        found[commit.id] = commit
        waiting += commit.parents
    return sorted(found.values(), key=lambda commit: commit.committed_at, reverse=True)


def _line(commits: dict[str, Commit], start: str, seen: set[str]) -> list[str]:
    """Return the ids on the way from `start` by first parents to what was seen, newest first."""
    line = []
    at: str | None = start
    while at is not None and at in commits and at not in seen:
        line.append(at)
        parents = commits[at].parents
        at = parents[0] if parents else None
    return line
