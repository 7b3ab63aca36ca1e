"""Which session made which commit, by what the session's log or the commit itself says: nothing is compared here."""

from __future__ import annotations

import bisect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from worktrial.formats.provenance import LinkReason
from worktrial.formats.session import Session, SessionCommit
from worktrial.mine.known import Known, unnamed_commits
from worktrial.mine.marks import Marks, Noted
from worktrial.store.git import Git

SURE: Mapping[LinkReason, float] = {
    "checkpoint_trailer": 0.99,
    "note": 0.98,
    "recorded_commit": 0.97,
    "agent_trace": 0.95,
    "printed_commit": 0.93,
    "author_trailer": 0.35,
}
"""How sure a join is before its lines are looked at. Told by reading, not fitted."""

_RENAMED = 0.85
"""What is left of it where the commit's id is gone, and a commit of that subject and minute stands in its place."""
_SAME_MOMENT = timedelta(minutes=3)
_SHORTEST = 7
_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Joined:
    """One session joined to one commit."""

    session: int
    """Its place among the sessions."""
    commit: str
    reason: LinkReason
    sure: float
    detail: str
    turn: int | None = None
    """The turn that made the commit; None: the log does not say."""


@dataclass(frozen=True)
class Records:
    """What is written about sessions, on commits and beside them, by commit."""

    marks: Mapping[str, Marks]
    notes: Mapping[str, Noted]
    traces: Mapping[str, Noted]


def joined(view: Git, sessions: Sequence[Session], commits: dict[str, Known], records: Records) -> list[Joined]:
    """Return every join that is written down, the surest of each session and commit.

    Commits that no ref names any more but logs do are read from `view` and added to `commits`.
    """
    found: dict[tuple[int, str], Joined] = {}
    for item in (*_by_marks(sessions, records), *_by_logs(view, sessions, commits)):
        key = (item.session, item.commit)
        if key not in found or item.sure > found[key].sure:
            turn = item.turn if item.turn is not None or key not in found else found[key].turn
            found[key] = Joined(item.session, item.commit, item.reason, item.sure, item.detail, turn)
        elif found[key].turn is None and item.turn is not None:
            old = found[key]
            found[key] = Joined(old.session, old.commit, old.reason, old.sure, old.detail, item.turn)
    return list(found.values())


def _by_marks(sessions: Sequence[Session], records: Records) -> Iterator[Joined]:
    """Yield the joins by checkpoint and by the session's own id."""
    of_checkpoint: dict[str, list[int]] = defaultdict(list)
    of_id: dict[str, list[int]] = defaultdict(list)
    for at, session in enumerate(sessions):
        of_id[session.id].append(at)
        for checkpoint in session.checkpoints:
            of_checkpoint[checkpoint.lower()].append(at)
    for commit, marks in records.marks.items():
        for checkpoint in marks.checkpoints:
            for at in of_checkpoint.get(checkpoint, ()):
                detail = f"the commit names checkpoint {checkpoint}"
                yield Joined(at, commit, "checkpoint_trailer", SURE["checkpoint_trailer"], detail)
    beside: tuple[tuple[LinkReason, Mapping[str, Noted], str], ...] = (
        ("note", records.notes, "a git-ai note"),
        ("agent_trace", records.traces, "an Agent Trace record"),
    )
    for reason, noted, what in beside:
        for commit, note in noted.items():
            for name in note.sessions:
                parts = [name] if name in of_id else re.split(r"[/?=&#]", name)
                for at in (one for part in parts for one in of_id.get(part, ())):
                    yield Joined(at, commit, reason, SURE[reason], f"{what} names the session")


def _by_logs(view: Git, sessions: Sequence[Session], commits: dict[str, Known]) -> Iterator[Joined]:
    """Yield the joins by the commits that logs name."""
    named = [
        (at, number, commit)
        for at, session in enumerate(sessions)
        for number, turn in enumerate(session.turns)
        for commit in turn.commits
        if len(commit.sha) >= _SHORTEST
    ]
    ids = sorted(commits)
    lost: list[str] = []
    where = {commit.sha: _begins(ids, commit.sha) for _, _, commit in named}
    lost = [sha for sha, full in where.items() if full is None]
    for sha, known in unnamed_commits(view, lost).items():
        commits.setdefault(known.id, known)
        where[sha] = known.id
    by_subject: dict[str, list[Known]] = defaultdict(list)
    for known in commits.values():
        by_subject[known.subject].append(known)
    for at, number, commit in named:
        reason: LinkReason = "recorded_commit" if commit.how == "recorded" else "printed_commit"
        said = "records" if commit.how == "recorded" else "printed"
        full = where[commit.sha]
        if full is not None:
            yield Joined(at, full, reason, SURE[reason], f"the log {said} commit {commit.sha[:10]}", number)
        elif (stand_in := _stand_in(commit, by_subject)) is not None:
            detail = f"the log {said} commit {commit.sha[:10]}, now {stand_in.id[:10]} by subject and date"
            yield Joined(at, stand_in.id, reason, round(SURE[reason] * _RENAMED, 3), detail, number)


def _begins(ids: Sequence[str], sha: str) -> str | None:
    """Return the one id that begins with `sha`; None when none or several do."""
    at = bisect.bisect_left(ids, sha)
    fits = [one for one in ids[at : at + 2] if one.startswith(sha)]
    return fits[0] if len(fits) == 1 else None


def _stand_in(commit: SessionCommit, by_subject: Mapping[str, Sequence[Known]]) -> Known | None:
    """Return the one commit of the same subject that was made at the same moment, or None."""
    if not commit.subject or commit.at is None:
        return None
    fits = [one for one in by_subject.get(commit.subject, ()) if abs(one.authored_at - commit.at) <= _SAME_MOMENT]
    return fits[0] if len(fits) == 1 else None


def by_author(sessions: Sequence[Session], commit: Known, marks: Marks) -> Joined | None:
    """Return the join to the one session of the commit's co-author that was going on then; None: none or several."""
    fits = [
        at
        for at, session in enumerate(sessions)
        if session.source in marks.tools
        and session.parent is None
        and session.started_at is not None
        and session.ended_at is not None
        and session.started_at <= commit.authored_at <= session.ended_at + _WITHIN
    ]
    if len(fits) != 1:
        return None
    detail = f"the only session of {sessions[fits[0]].source}, its co-author, that was going on then"
    return Joined(fits[0], commit.id, "author_trailer", SURE["author_trailer"], detail)
