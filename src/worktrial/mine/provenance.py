"""Who wrote the lines that landed: an agent, a person changing what an agent had proposed, or a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from worktrial.formats.provenance import Link, Provenance
from worktrial.mine.linking import Linked, Tie
from worktrial.mine.proposals import Line, Proposal, Proposals

Hand = Literal["agent", "changed", "human"]


@dataclass(frozen=True)
class Attributed:
    """One landed line and whose it is."""

    line: Line
    hand: Hand
    model: str = ""
    """Model that proposed it, or what it was changed from; empty where the log names none."""


def attribute(lines: Sequence[Line], sessions: Sequence[Proposals], before: datetime | None = None) -> list[Attributed]:
    """Tell of each landed line who wrote it. Proposals made after `before` (None: never) say nothing.

    A line is an agent's when a session proposed it so, blanks around it aside; of several proposals the last counts. It
    was *changed* when a person wrote it over the agent's text in the agent's own tool, or when it is like a line
    proposed for the same file that did not land itself. All else is a person's.
    """
    found = [_proposal(line, sessions, before) for line in lines]
    landed = {line.text for line, one in zip(lines, found, strict=True) if one is not None}
    return [
        _by(line, one) if one is not None else _by_hand(line, sessions, landed, before)
        for line, one in zip(lines, found, strict=True)
    ]


def _proposal(line: Line, sessions: Sequence[Proposals], before: datetime | None) -> Proposal | None:
    """Return the last proposal of a line; the first session's where the clock does not tell."""
    found = [one for one in (session.of(line, before) for session in sessions) if one is not None]
    exact = [one for one in found if one.path] or found
    return max(exact, key=lambda one: one.at.timestamp() if one.at else 0.0, default=None)


def _by(line: Line, proposal: Proposal) -> Attributed:
    return Attributed(line, "changed" if proposal.changed else "agent", proposal.model)


def _by_hand(line: Line, sessions: Sequence[Proposals], landed: set[str], before: datetime | None) -> Attributed:
    """Tell whether a person wrote a line anew or changed one that did not land as it was proposed."""
    for session in sessions:
        one = session.like(line, landed, before)
        if one is not None:
            return Attributed(line, "changed", one.model)
    return Attributed(line, "human")


def provenance(linked: Linked, change: str, commits: Iterable[str], before: datetime) -> Provenance | None:
    """Return who wrote a change, landed as `commits` by `before`; None when nothing is known of it."""
    ties = linked.ties.get(change, [])
    ids = list(commits)
    share, models = stated(linked, [change, *(one for tie in ties for one in tie.commits), *ids])
    if not ties:
        return Provenance(models=models, stated_share=share) if models or share is not None else None
    counted = [tie for tie in ties if tie.counts]
    links = tuple(_distinct(ties))
    if not counted:
        return Provenance(links=(), models=models, stated_share=share) if models or share is not None else None
    found = attribute(linked.lines.get(change, []), _proposals(linked, counted), before)
    hands = Counter(one.hand for one in found)
    wrote = Counter(one.model for one in found if one.hand != "human" and one.model)
    return Provenance(
        links=links,
        agent_lines=hands["agent"],
        changed_lines=hands["changed"],
        human_lines=hands["human"],
        models=tuple(name for name, _ in wrote.most_common()) or models,
        stated_share=share,
    )


def _proposals(linked: Linked, ties: Sequence[Tie]) -> list[Proposals]:
    """Return what the sessions of a change proposed, the parts of a session (its subagents) with it."""
    chosen = dict.fromkeys(tie.session for tie in ties)
    names = {linked.sessions[at].id for at in chosen}
    parts = [at for at, session in enumerate(linked.sessions) if session.parent in names]
    return [linked.proposals[at] for at in dict.fromkeys([*chosen, *parts])]


def _distinct(ties: Sequence[Tie]) -> list[Link]:
    return list({(tie.link.source, tie.link.session): tie.link for tie in reversed(ties)}.values())[::-1]


def stated(linked: Linked, commits: Sequence[str]) -> tuple[float | None, tuple[str, ...]]:
    """Return the AI share that tools recorded of commits (None: none did), and the models they name.

    A trailer on the commit comes first, then a git-ai note or Agent Trace record, then the checkpoint's own record.
    """
    shares: list[float] = []
    models: dict[str, None] = {}
    for commit in dict.fromkeys(commits):
        marks = linked.records.marks.get(commit)
        beside = [one for one in (linked.records.notes.get(commit), linked.records.traces.get(commit)) if one]
        for name in (*(marks.models if marks else ()), *(name for one in beside for name in one.models)):
            models[name] = None
        if (share := _share(linked, commit)) is not None:
            shares.append(share)
    return (round(sum(shares) / len(shares), 4) if shares else None), tuple(models)


def _share(linked: Linked, commit: str) -> float | None:
    """Return the AI share that is recorded of one commit, or None."""
    marks = linked.records.marks.get(commit)
    if marks is not None and marks.stated_share is not None:
        return marks.stated_share
    for one in (linked.records.notes.get(commit), linked.records.traces.get(commit)):
        if one is not None and one.agent_lines + one.human_lines:
            # Notes name an agent's lines and those that people claimed; of the others the change's size tells.
            whole = max(one.agent_lines + one.human_lines, len(linked.lines.get(commit, ())))
            return min(1.0, one.agent_lines / whole)
    named = [linked.checkpoint_shares.get(name) for name in (marks.checkpoints if marks else ())]
    told = [share for share in named if share is not None]
    return sum(told) / len(told) if told else None
