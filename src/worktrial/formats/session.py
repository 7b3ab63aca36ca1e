"""Sessions: what a person asked of a coding agent and what came of it, whichever tool kept the log.

The one normal form that every reader gives. It holds what was said and done to files, not what tools printed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worktrial.formats.base import Record, Timestamp

EditOutcome = Literal["accepted", "rejected", "changed", "failed", "unknown"]
"""*changed*: the person changed the proposed text before it was written. *failed*: the tool could not apply it.
*unknown*: the log does not say; readers of logs that only hold what was applied say *accepted*."""


class SessionUsage(Record):
    """Tokens of a session or turn as its log reports them, each request counted once. None is unknown."""

    input_tokens: int | None = None
    """Including those read from and written to a cache."""
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class FileEdit(Record):
    """An edit of one file as the agent proposed it."""

    path: str
    """As in the log, but relative to the session's working directory where it lies below that; "/" between parts."""
    kind: Literal["write", "replace", "patch", "delete", "move"]
    outcome: EditOutcome
    added: tuple[str, ...] = ()
    """Lines the agent proposed to add, without their ends, in order. Of a whole file that is written: those that its
    old content lacked where that is known, else all."""
    removed: tuple[str, ...] = ()
    """Lines it proposed to take away; empty where the log does not hold them."""
    written: tuple[str, ...] | None = None
    """The added lines as they came to the disk where the person changed them; None: those of `added`."""
    at: Timestamp | None = None
    model: str | None = None


class CommandRun(Record):
    """A command line that the agent ran."""

    text: str
    exit_code: int | None = None
    """None: the log does not say."""
    at: Timestamp | None = None


class SessionCommit(Record):
    """A commit that the log says was made."""

    sha: str
    """Full or abbreviated, lower case."""
    how: Literal["recorded", "printed"]
    """*recorded*: a field or line of the log that the tool writes of commits. *printed*: read from what git printed."""
    subject: str = ""
    at: Timestamp | None = None


class Turn(Record):
    """What one prompt set off."""

    prompt: str
    """Verbatim, to the byte, without what the tool added around it. Empty only for work before any prompt."""
    at: Timestamp | None = None
    edits: tuple[FileEdit, ...] = ()
    commands: tuple[CommandRun, ...] = ()
    commits: tuple[SessionCommit, ...] = ()
    models: tuple[str, ...] = ()
    """In the order they were first used."""
    kind: Literal["typed", "command", "agent", "unknown"] = "typed"
    """*command*: a slash command or the like, whose text is a template and not what was asked. *agent*: an agent asked
    it of its subagent, no person."""
    ended_at: Timestamp | None = None
    """The last sign of work on it."""
    checkpoints: tuple[str, ...] = ()
    """Those of the session's checkpoints that hold work of this turn."""


class Session(Record):
    """One conversation, from one log."""

    format: Literal["worktrial/session@1"] = "worktrial/session@1"
    source: str
    """Name of the reader: `claude_code`, `codex`, …, `entire`."""
    id: str
    """The tool's own id; where it has none, one made from the content."""
    version: str = ""
    """Of the tool, as the log says."""
    log: str = ""
    """Where it was read from; for people, and never stored in a suite."""
    cwd: str | None = None
    branch: str | None = None
    base_commit: str | None = None
    """What was checked out at the beginning, where the log says."""
    started_at: Timestamp | None = None
    ended_at: Timestamp | None = None
    turns: tuple[Turn, ...] = ()
    usage: SessionUsage = Field(default_factory=SessionUsage)
    parent: str | None = None
    """Session that this one is a part of (a subagent) or goes on from; None: it stands alone."""
    checkpoints: tuple[str, ...] = ()
    """Ids by which commits point at this session, e.g. in a trailer `Entire-Checkpoint`."""
    torn: int = 0
    """Lines or records that could not be read at all."""
    unknown: int = 0
    """Records of a kind the reader does not know; they were left out."""

    def models(self) -> tuple[str, ...]:
        """Return the models of all turns, in the order they were first used."""
        return tuple(dict.fromkeys(model for turn in self.turns for model in turn.models))

    def prompts(self) -> tuple[str, ...]:
        """Return what the person typed, in order."""
        return tuple(turn.prompt for turn in self.turns if turn.kind in ("typed", "unknown") and turn.prompt.strip())
