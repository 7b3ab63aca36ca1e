"""Candidates: landed changes that may become tasks, and the commits that were turned down."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record, Timestamp
from worktrial.formats.provenance import PromptKind, Provenance, Work

Role = Literal["source", "test", "docs", "config", "other"]
"""What a file is to the task. *source* is backed out, *test* is hidden, *docs* goes with the source where it can,
*config* is build and tool settings, *other* (data, CI, assets) goes with the source."""


class FileChange(Record):
    """One file of a landed change."""

    path: str
    old_path: str | None = None
    """The path before a rename or copy; None when the file kept its name."""
    status: Literal["A", "M", "D", "R", "C", "T"]
    """As `git log --raw` gives it, without the similarity score."""
    role: Role
    added: int | None
    """Lines added; None for binary files."""
    removed: int | None
    """Lines removed; None for binary files."""


class Removal(Record):
    """Something taken out of a prompt because it points at the solution."""

    kind: Literal["hash", "link", "reference", "trailer", "template", "code", "email"]
    """*email*: only in suites of before addresses were redacted like all that is personal."""
    text: str


class Candidate(Record):
    """A landed change that touches source and tests, before anything was run."""

    format: Literal["worktrial/candidate@1"] = "worktrial/candidate@1"
    id: str
    """Short, unique within the suite, safe as a file name."""
    commit: str
    """Full id of the commit whose difference from `parent` is the change."""
    parent: str
    kind: Literal["commit", "merge"]
    commits: tuple[str, ...]
    """Every non-merge commit the change brought, newest first; `(commit,)` for a plain commit."""
    landed_at: Timestamp
    subject: str
    """First line of the message, uncleaned."""
    message: str
    """The whole message as it stands in history: for people, never shown to an agent."""
    prompt: str
    """What the agent is asked, cleaned of all in `removed`."""
    removed: tuple[Removal, ...]
    language: str
    files: tuple[FileChange, ...]
    prompt_kind: PromptKind = "message"
    prompts: tuple[str, ...] = ()
    """What the person asked, turn by turn, for a *conversation*; empty for all other kinds."""
    provenance: Provenance | None = None
    """None: no session is known and nothing says who wrote it."""
    work: Work | None = None
    """None: it was mined before changes were classified."""

    def paths(self, *roles: Role) -> tuple[str, ...]:
        """Return the paths of the files in any of `roles`, old names of renamed files included, in order."""
        found: list[str] = []
        for change in self.files:
            if change.role in roles:
                found += [path for path in (change.old_path, change.path) if path is not None]
        return tuple(dict.fromkeys(found))


class Rejection(Record):
    """A commit that mining turned down."""

    format: Literal["worktrial/rejection@1"] = "worktrial/rejection@1"
    commit: str
    subject: str
    reason: str
    """Machine-readable, snake_case, from `worktrial.mine.filters`."""
    detail: str = ""
