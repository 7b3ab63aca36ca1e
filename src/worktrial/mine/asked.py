"""What a person asked for, of a change: the prompts of the sessions that made it, and none that came before or after.

A session that made several commits is cut between them: a change's prompts are those since the commit before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worktrial.formats.provenance import PromptKind
from worktrial.formats.session import Session, Turn
from worktrial.mine.filters import Reason
from worktrial.mine.linking import Linked, Tie

_SLACK = timedelta(seconds=5)
_GIT = re.compile(r"\s*git\b")
LEAST_ASKED = 0.3
"""Share of a change's lines that its sessions must have proposed for their prompts to be what was asked."""
MOST_PROMPTS = 20
_MOST_OF_IT = 0.8
"""Share of the agents' lines from which one conversation is held for that of the change."""


@dataclass(frozen=True)
class Asked:
    """The prompts of a change, in order, verbatim."""

    prompts: tuple[str, ...]
    sessions: tuple[str, ...]
    """Ids of the sessions they are from."""
    detail: str
    """Which turns of how many; for people."""
    heard: bool = False
    """Something was said in the session before the first of them that is none of them."""
    worked: tuple[bool, ...] = ()
    """Of each prompt: whether the agent edited files on it."""

    @property
    def kind(self) -> PromptKind:
        """*prompt* for one, *conversation* for several."""
        return "prompt" if len(self.prompts) == 1 else "conversation"


class Asking:
    """The prompts of linked changes."""

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self._ends: dict[int, dict[str, int]] = {}
        """By session: the turn in which each of its commits was made; of changes tied by lines, their last turn."""
        for join in linked.joins:
            turn = join.turn
            if turn is None:
                turn = self._turn_of(join.session, join.commit)
            if turn is None:
                turn = self._turn_at(join.session, join.commit)
            if turn is not None:
                self._ends.setdefault(join.session, {})[join.commit] = turn
        for change, ties in linked.ties.items():
            for tie in ties:
                if tie.counts and not tie.commits and tie.shared.turns:
                    self._ends.setdefault(tie.session, {})[change] = tie.shared.turns[-1]

    def of(self, change: str) -> Asked | Reason:
        """Return what was asked for a change, or why that cannot be told."""
        ties = [tie for tie in self._linked.ties.get(change, ()) if tie.counts]
        if not ties:
            weak = [tie.link for tie in self._linked.ties.get(change, ())]
            return Reason("weak_link", f"{weak[0].reason}, {weak[0].confidence:.2f}") if weak else Reason("no_session")
        chosen = self._main([tie for tie in ties if self._linked.sessions[tie.session].prompts()])
        asked: list[Turn] = []
        said: list[str] = []
        heard = False
        for tie in chosen:
            session = self._linked.sessions[tie.session]
            turns = self._turns(tie, change)
            typed = [number for number in turns if _typed(session.turns[number])]
            heard = heard or (not asked and bool(typed) and any(map(_typed, session.turns[: typed[0]])))
            asked += [session.turns[number] for number in typed]
            said.append(f"turns {_ranges(turns)} of {len(session.turns)}" if turns else "")
        prompts = tuple(turn.prompt for turn in asked)
        if not prompts:
            return Reason("no_typed_prompt")
        if len(prompts) > MOST_PROMPTS:
            return Reason("long_conversation", f"{len(prompts)} prompts, more than {MOST_PROMPTS}")
        torn = any(self._linked.sessions[tie.session].torn for tie in chosen)
        if torn and not any(tie.shared.lines for tie in chosen):
            return Reason("log_lacking")
        common = max((tie.shared for tie in chosen), key=lambda one: one.of)
        if common.of and common.lines and sum(tie.shared.lines for tie in chosen) < LEAST_ASKED * common.of:
            return Reason("partly_asked", f"{sum(tie.shared.lines for tie in chosen)} of {common.of} lines")
        return Asked(
            prompts,
            tuple(self._linked.sessions[tie.session].id for tie in chosen),
            "; ".join(filter(None, said)),
            heard=heard,
            worked=tuple(bool(turn.edits) for turn in asked),
        )

    def _main(self, ties: Sequence[Tie]) -> list[Tie]:
        """Return the one session that a change came of, or else all of them in order of time."""
        every = self._linked.sessions
        own = [tie for tie in ties if not _is_part(every[tie.session], every)] or list(ties)
        best = max(own, key=lambda tie: (tie.shared.lines, tie.link.confidence), default=None)
        if best is None:
            return []
        together = max(1, sum(tie.shared.lines for tie in own))
        if len(own) == 1 or best.shared.lines >= _MOST_OF_IT * together:
            return [best]
        return sorted(own, key=lambda tie: _when(self._linked.sessions[tie.session]))

    def _turns(self, tie: Tie, change: str) -> list[int]:
        """Return the turns of a session that led to a change, in order."""
        session = self._linked.sessions[tie.session]
        ends = self._ends.get(tie.session, {})
        own = {ends[name] for name in (*tie.commits, change) if name in ends}
        touched = tie.shared.turns
        last = max(own, default=touched[-1] if touched else len(session.turns) - 1)
        mine = set(tie.commits) | {change}
        others = {end for name, end in ends.items() if name not in mine}
        chosen: set[int] = set()
        for end in own or {last}:
            before = max((other for other in others | own if other < end), default=-1)
            chosen.update(range(before + 1, end + 1))
        # Work that an earlier commit left lying is this change's too.
        chosen.update(turn for turn in touched if turn <= last)
        return self._without_asides(session, tie, sorted(chosen), touched)

    def _without_asides(self, session: Session, tie: Tie, chosen: list[int], touched: tuple[int, ...]) -> list[int]:
        """Leave out turns before the first and after the last that wrote of the change, where they had another aim.

        Before: those that only edited other files. After: those without an edit, such as one that asks to commit.
        """
        proposals = self._linked.proposals[tie.session]
        if not touched:
            # No line landed as it was proposed, as when a person changed them all: one that only commits is none.
            edited = [turn for turn in chosen if proposals.edited(turn)]
            asides = {turn for turn in chosen if edited and turn > edited[-1] and _only_git(session.turns[turn])}
            return [turn for turn in chosen if turn not in asides]
        files = frozenset[str]().union(*(proposals.edited(turn) for turn in touched if turn < len(session.turns)))
        kept = [turn for turn in chosen if turn >= touched[0] or not (of := proposals.edited(turn)) or of & files]
        while kept and kept[-1] > touched[-1] and not proposals.edited(kept[-1]):
            kept.pop()
        return kept

    def _turn_of(self, session: int, commit: str) -> int | None:
        """Return the last turn with work in the checkpoint that a commit names; None when that is not told."""
        marks = self._linked.records.marks.get(commit)
        named = frozenset(marks.checkpoints) if marks else frozenset[str]()
        turns = enumerate(self._linked.sessions[session].turns)
        return max((number for number, turn in turns if named.intersection(turn.checkpoints)), default=None)

    def _turn_at(self, session: int, commit: str) -> int | None:
        """Return the turn that was going on when a commit was made; None when the clock does not tell."""
        known = self._linked.commits.get(commit)
        turns = self._linked.sessions[session].turns
        if known is None or not turns or any(turn.at is None for turn in turns if turn.prompt):
            return None
        begun = [number for number, turn in enumerate(turns) if turn.at is not None and _by(turn.at, known.authored_at)]
        return begun[-1] if begun else None


def _by(at: datetime, made: datetime) -> bool:
    return at <= made + _SLACK


def _only_git(turn: Turn) -> bool:
    return all(_GIT.match(command.text) for command in turn.commands)


def _typed(turn: Turn) -> bool:
    return turn.kind in ("typed", "unknown") and bool(turn.prompt.strip())


def _is_part(session: Session, sessions: Sequence[Session]) -> bool:
    """Tell whether a session is a part of another that is known too."""
    return session.parent is not None and any(other.id == session.parent for other in sessions)


def _when(session: Session) -> float:
    return session.started_at.timestamp() if session.started_at else 0.0


def _ranges(turns: Sequence[int]) -> str:
    """Return turns as people count them: `1-3, 5`."""
    parts: list[list[int]] = []
    for turn in turns:
        if parts and turn == parts[-1][1] + 1:
            parts[-1][1] = turn
        else:
            parts.append([turn, turn])
    return ", ".join(str(first + 1) if first == last else f"{first + 1}-{last + 1}" for first, last in parts)
