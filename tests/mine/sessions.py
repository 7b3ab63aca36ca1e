"""Sessions for the tests of linking, as values: what a reader makes of a log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.mine.building import Repository

from worktrial.formats.session import CommandRun, FileEdit, Session, SessionCommit, Turn
from worktrial.languages import load
from worktrial.mine.asked import Asking
from worktrial.mine.candidates import mine
from worktrial.mine.history import read_history, reading
from worktrial.mine.landed import Landed, landed_changes
from worktrial.mine.linking import Linked, link
from worktrial.mine.told import Telling, Wanted
from worktrial.store.git import open_repository

MODEL = "model-1"


def moment(clock: int) -> datetime:
    """Return the moment of a repository's clock."""
    return datetime.fromtimestamp(clock, UTC)


def edit(path: str, text: str, *, model: str = MODEL, **more: Any) -> FileEdit:
    """Return an accepted edit that adds the lines of `text`."""
    return FileEdit(path=path, kind="replace", outcome="accepted", added=tuple(text.splitlines()), model=model, **more)


def turn(repo: Repository, prompt: str, *edits: FileEdit, commit: str = "", how: str = "recorded", **more: Any) -> Turn:
    """Return a turn that happens now, by the repository's clock."""
    made = (SessionCommit.model_validate({"sha": commit, "how": how, "at": moment(repo.clock)}),) if commit else ()
    return Turn(prompt=prompt, at=moment(repo.clock), edits=edits, commits=made, models=(MODEL,), **more)


def session(name: str, turns: Sequence[Turn], **more: Any) -> Session:
    """Return a session of `turns`, begun with the first and ended ten minutes after the last."""
    first, last = turns[0].at, turns[-1].at
    assert first is not None
    assert last is not None
    given: dict[str, Any] = {
        "source": "claude_code",
        "id": name,
        "started_at": first,
        "ended_at": last + timedelta(minutes=10),
        "turns": tuple(turns),
    }
    return Session.model_validate(given | more)


def command(text: str) -> CommandRun:
    """Return a command that an agent ran."""
    return CommandRun(text=text, exit_code=0)


def linking(path: Path, *sessions: Session) -> tuple[Linked, Asking]:
    """Link sessions to what landed in a repository."""
    git = open_repository(path)
    with reading(git) as view:
        history = read_history(git, view, max_commits=None, since=None)
        changes = [item for item in landed_changes(history) if isinstance(item, Landed)]
        linked = link(git, view, sessions, changes)
    return linked, Asking(linked)


def told(path: Path, *sessions: Session, **more: Any) -> Telling:
    """Mine a repository with sessions and return what they tell."""
    wanted = Wanted(sessions, **more)
    telling = mine(open_repository(path), prefix="pkg", language=load("python"), wanted=wanted).telling
    assert telling is not None
    return telling
