"""Putting a session together from what a reader comes across, in the order of the log."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from worktrial.formats.session import (
    CommandRun,
    EditOutcome,
    FileEdit,
    Session,
    SessionCommit,
    SessionUsage,
    Turn,
)
from worktrial.sessions.edits import Kind, Lines
from worktrial.sessions.printed import Printed
from worktrial.sessions.reading import Tally, ends

TurnKind = Literal["typed", "command", "agent", "unknown"]
_LONGEST_COMMAND = 100_000
"""Characters of a command that are kept: some hold whole files."""


@dataclass
class Edit:
    """An edit whose outcome may still be told."""

    path: str
    kind: Kind
    added: Lines = ()
    removed: Lines = ()
    outcome: EditOutcome = "unknown"
    written: Lines | None = None
    at: datetime | None = None
    model: str | None = None


@dataclass
class Run:
    """A command whose output and exit code may still be told."""

    text: str
    exit_code: int | None = None
    at: datetime | None = None


@dataclass
class _Turn:
    prompt: str
    at: datetime | None
    kind: TurnKind
    edits: list[Edit] = field(default_factory=list)
    commands: list[Run] = field(default_factory=list)
    commits: dict[str, SessionCommit] = field(default_factory=dict)
    models: dict[str, None] = field(default_factory=dict)
    ended_at: datetime | None = None

    @property
    def worked(self) -> bool:
        return bool(self.edits or self.commands or self.commits)


class Building:
    """A session being read. What comes before any prompt goes to a turn without one."""

    def __init__(self, source: str, log: Path | str, tally: Tally) -> None:
        self.source = source
        self.log = str(log)
        self.tally = tally
        self.id = ""
        self.version = ""
        self.cwd = ""
        self.branch = ""
        self.base_commit = ""
        self.parent: str | None = None
        self.checkpoints: tuple[str, ...] = ()
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.model = ""
        self._turns: list[_Turn] = []
        self._used: dict[str, SessionUsage] = {}
        self._printed = Printed()

    # -- what readers tell --

    def seen(self, at: datetime | None) -> None:
        """Note a time that the log holds."""
        if at is None:
            return
        self.started_at = at if self.started_at is None else min(self.started_at, at)
        self.ended_at = at if self.ended_at is None else max(self.ended_at, at)
        if self._turns:
            turn = self._turns[-1]
            turn.ended_at = at if turn.ended_at is None else max(turn.ended_at, at)

    def prompt(self, text: str, at: datetime | None = None, kind: TurnKind = "typed") -> None:
        """Begin a turn."""
        self._turns.append(_Turn(text, at, kind))
        self.seen(at)

    def repeats(self, text: str) -> bool:
        """Whether a prompt is the one just begun, told a second time."""
        return bool(self._turns) and self._turns[-1].prompt == text and not self._turns[-1].worked

    def used_model(self, name: str) -> None:
        """Note the model that works from here on; an empty name says nothing."""
        if name:
            self.model = name
            if self._turns:
                self._turns[-1].models[name] = None

    def edit(self, path: str, kind: Kind, lines: tuple[Iterable[str], Iterable[str]], at: datetime | None) -> Edit:
        """Add an edit; `lines` are those added and those removed."""
        made = Edit(self.relative(path), kind, tuple(lines[0]), tuple(lines[1]), at=at, model=self.model or None)
        self._working().edits.append(made)
        return made

    def command(self, text: str, at: datetime | None = None) -> Run:
        """Add a command line."""
        made = Run(text[:_LONGEST_COMMAND], at=at)
        self._working().commands.append(made)
        return made

    def wants_output(self, run: Run) -> bool:
        """Whether the output of a command may tell of a commit; if not it need not be read."""
        return self._printed.wants(run.text)

    def printed(self, run: Run, output: str, at: datetime | None = None) -> None:
        """Look for commits in what a command printed."""
        for sha, subject in self._printed.commits(run.text, ends(output), bool(run.exit_code)):
            self.commit(sha, "printed", subject, at)

    def commit(self, sha: str, how: Literal["recorded", "printed"], subject: str, at: datetime | None) -> None:
        """Add a commit; what is recorded beats what is printed, and the longer of two names of it is kept."""
        sha = sha.lower()
        commits = self._turn().commits
        known = next((one for one in commits if one.startswith(sha) or sha.startswith(one)), None)
        made = SessionCommit(sha=sha, how=how, subject=subject, at=at)
        if known is not None:
            old = commits.pop(known)
            made = SessionCommit(
                sha=max(sha, known, key=len),
                how="recorded" if "recorded" in (how, old.how) else "printed",
                subject=old.subject or subject,
                at=old.at or at,
            )
        commits[made.sha] = made

    def used(self, key: str, usage: SessionUsage) -> None:
        """Count the tokens of a request; of one told again under the same key the last counts."""
        self._used[key] = usage

    @property
    def requests(self) -> int:
        """How many requests were counted so far."""
        return len(self._used)

    def relative(self, path: str) -> str:
        """Return a path as `FileEdit` has it."""
        path = path.replace("\\", "/") if not path.startswith("/") and "\\" in path else path
        base = self.cwd.rstrip("/") + "/"
        path = path.removeprefix(base) if len(base) > 1 else path
        return posixpath.normpath(path) if path else path

    # -- what came of it --

    def session(self) -> Session | None:
        """Return the session; None when nothing was asked and nothing done."""
        turns = [turn for turn in self._turns if turn.worked or (turn.prompt.strip() and turn.kind != "command")]
        if not turns:
            return None
        return Session(
            source=self.source,
            id=self.id or _made_id(self.source, turns),
            version=self.version,
            log=self.log,
            cwd=self.cwd or None,
            branch=self.branch or None,
            base_commit=self.base_commit or None,
            started_at=self.started_at,
            ended_at=self.ended_at,
            turns=tuple(map(_finished, turns)),
            usage=total(self._used.values()),
            parent=self.parent,
            checkpoints=self.checkpoints,
            torn=self.tally.torn,
            unknown=self.tally.unknown,
        )

    def _working(self) -> _Turn:
        turn = self._turn()
        if self.model:
            turn.models[self.model] = None
        return turn

    def _turn(self) -> _Turn:
        if not self._turns:
            self._turns.append(_Turn("", None, "unknown"))
        return self._turns[-1]


def total(many: Iterable[SessionUsage]) -> SessionUsage:
    """Return the sum; of what no request told, None."""

    def added(name: str) -> int | None:
        told = [value for one in used if (value := getattr(one, name)) is not None]
        return sum(told) if told else None

    used = list(many)
    return SessionUsage(**{name: added(name) for name in SessionUsage.model_fields})


def _made_id(source: str, turns: list[_Turn]) -> str:
    content = "\0".join(f"{turn.at}\1{turn.prompt}" for turn in turns)
    return sha256(f"{source}\0{content}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _finished(turn: _Turn) -> Turn:
    return Turn(
        prompt=turn.prompt,
        at=turn.at,
        kind=turn.kind,
        edits=tuple(
            FileEdit(
                path=edit.path, kind=edit.kind, outcome=edit.outcome, added=edit.added, removed=edit.removed,
                written=edit.written, at=edit.at, model=edit.model,
            )
            for edit in turn.edits
        ),
        commands=tuple(CommandRun(text=run.text, exit_code=run.exit_code, at=run.at) for run in turn.commands),
        commits=tuple(turn.commits.values()),
        models=tuple(turn.models),
        ended_at=turn.ended_at,
    )  # fmt: skip
