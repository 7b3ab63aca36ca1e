"""The suite's own file, `suite.toml`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp


class SessionsAsked(Record):
    """Whose prompts a suite asks with: what `--sessions` and the options beside it said."""

    paths: tuple[str, ...]
    """Absolute paths, and `auto`: the repository's own logs on the machine that mines."""
    only: bool = False
    consolidate: bool = False


class SuiteInfo(Record):
    """What a suite was made from."""

    format: Literal["worktrial/suite@1"] = "worktrial/suite@1"
    name: str
    repository: str
    """Path of the repository as given to `mine`, made absolute: validation reads its objects."""
    head: str
    """Commit that was the head when the suite was mined."""
    mined_at: Timestamp
    commits_read: int
    redacted: bool | None = None
    """Whether secrets and people were taken out of all that is stored; None: mined before that was done."""
    sessions: SessionsAsked | None = None
    """What it was mined with, for a refresh to do the same; None: messages alone."""
    version: int = 1
    """Raised by every refresh: runs on two versions are compared on the tasks that are the same in both."""


class TaskMark(Record):
    """What makes a task the same task in two versions of a suite."""

    prompt: str
    """Hash of what is asked."""
    deciding: str
    """Hash over the ids of the tests that decide."""
    mode: str
    """How it was put back."""
    base_tree: str
    """Git tree it starts from; another one, of a newer head, is no other task."""


class Retired(Record):
    """Why a task left the suite, `retired.json` in its folder under `retired/<task>/<version>/`."""

    format: Literal["worktrial/retired@1"] = "worktrial/retired@1"
    task: str
    reason: str
    """Machine-readable: see `worktrial.curate.rolling`, or the reason of the validation that turned it down."""
    detail: str = ""
    version: int
    """First version of the suite without it."""
    head: str
    """Commit that this version is of."""
    at: Timestamp


class SuiteChange(Record):
    """What one version of a suite changed against the one before."""

    format: Literal["worktrial/version@1"] = "worktrial/version@1"
    version: int
    head: str
    at: Timestamp
    came: tuple[str, ...] = ()
    stayed: tuple[str, ...] = ()
    """Tasks that ask the same as before and are decided by the same tests."""
    changed: tuple[str, ...] = ()
    """Tasks that stayed with another prompt, other deciding tests, or put back in the other way."""
    as_before: dict[str, str] = Field(default_factory=dict)
    """Tasks left as they were, of an older head, with the reason: reviewers retired them, or this machine failed."""
    went: dict[str, str] = Field(default_factory=dict)
    """Reasons of the tasks that left, by task."""
    details: dict[str, str] = Field(default_factory=dict)
    """More on why, for people, by task."""


class RefreshPlan(Record):
    """A refresh that was begun, `refresh/plan.json`: what stood before, and what it is to come to."""

    format: Literal["worktrial/refresh@1"] = "worktrial/refresh@1"
    version: int
    """That it makes."""
    old_head: str
    head: str
    marks: dict[str, TaskMark]
    """The tasks before; their folders are kept in `refresh/before/` until it is done."""
    known: tuple[str, ...]
    """Ids of the candidates before: all others are new."""
    limit: int | None = None
    """Most tasks that may come in; None: all."""
    keep_on_parent: bool = False
    """Keep tasks that no longer back out, put back on the tree before their change."""
    sessions: SessionsAsked | None = None
    """Sessions whose prompts new tasks ask with; None: none."""
    begun_at: Timestamp
