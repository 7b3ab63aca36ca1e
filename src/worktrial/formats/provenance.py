"""Provenance: which session a landed change came from, who wrote its lines, and what kind of work it was."""

from __future__ import annotations

from typing import Literal

from worktrial.formats.base import Record

PromptKind = Literal["message", "prompt", "conversation", "consolidated"]
"""Where a task's prompt comes from. *message*: the commit's or merge's own text. *prompt*: the one prompt of a session,
verbatim. *conversation*: several prompts, to be given turn by turn. *consolidated*: several made into one."""

LinkReason = Literal[
    "checkpoint_trailer", "note", "agent_trace", "recorded_commit", "printed_commit", "author_trailer", "overlap"
]
"""Why a session is held to be that of a change, the surest first. *note*: git-ai's, by session id. *overlap*: the same
folder or branch, in time, and the lines that were edited are those that landed."""

WorkKind = Literal["new_code", "bug_fix", "refactoring", "tests", "review", "other"]
"""*refactoring*: across several files, with nothing new to the outside."""

Difficulty = Literal["small", "medium", "large"]


class Link(Record):
    """One session that a landed change came from."""

    source: str
    session: str
    reason: LinkReason
    confidence: float
    """0..1: how likely it is right, by reason and by the share of lines they have in common."""
    detail: str = ""
    """What was seen, for people."""


class Provenance(Record):
    """Who wrote what landed."""

    links: tuple[Link, ...] = ()
    agent_lines: int = 0
    """Added lines of the landed change, blank ones left out, that an agent proposed so."""
    changed_lines: int = 0
    """Added lines that a person changed from what an agent proposed."""
    human_lines: int = 0
    """Added lines that no session proposed."""
    models: tuple[str, ...] = ()
    """Models whose lines landed, the one with the most lines first."""
    stated_share: float | None = None
    """AI share as a tool recorded it beside the commit, 0..1; None: none did."""

    @property
    def ai_share(self) -> float | None:
        """Share of the landed lines that an agent proposed, 0..1: as counted here, or else as a tool stated it."""
        total = self.agent_lines + self.changed_lines + self.human_lines
        return self.agent_lines / total if total and self.links else self.stated_share


class Work(Record):
    """What kind of work a change is, and how much of it."""

    kind: WorkKind
    difficulty: Difficulty
    lines: int
    """Added and removed, tests left out."""
    files: int
    """Touched, tests left out."""
    rule: str = ""
    """What the kind was told by."""
    model_kind: WorkKind | None = None
    """What a model said; None: none was asked. The model and its prompt are in the suite's `classification.jsonl`."""
