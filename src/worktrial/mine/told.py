"""What sessions tell of landed changes: the prompt to give instead of a message, who wrote it, or why it is no task."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from worktrial.formats.candidate import Candidate
from worktrial.formats.provenance import LinkReason, PromptKind, Provenance
from worktrial.formats.session import Session
from worktrial.formats.task import consolidated
from worktrial.mine.asked import Asked, Asking
from worktrial.mine.asking import judge_prompt
from worktrial.mine.filters import Reason
from worktrial.mine.landed import Landed
from worktrial.mine.linking import Linked, link
from worktrial.mine.provenance import provenance
from worktrial.mine.standing import Before
from worktrial.mine.work import work_asked
from worktrial.store.git import Git

_LEANING = ("refers_to_solution", "refers_outside", "refers_to_talk", "needs_service")


@dataclass(frozen=True)
class Wanted:
    """What is to be made of sessions."""

    sessions: Sequence[Session]
    consolidate: bool = False
    """Several prompts are made into one."""
    only: bool = False
    """Changes without a session are no candidates."""


@dataclass(frozen=True)
class Told:
    """What sessions tell of one change."""

    prompts: tuple[str, ...] = ()
    """Verbatim, in order; empty: no session is surely its own, or it has no prompt."""
    provenance: Provenance | None = None
    reason: Reason | None = None
    """Why it cannot become a task; None: as far as sessions go, it can."""
    unasked: Reason | None = None
    """Why there are no prompts; None: there are."""

    def kind(self, *, consolidate: bool) -> PromptKind:
        """Return what kind of prompt it gives."""
        if len(self.prompts) < 2:
            return "prompt" if self.prompts else "message"
        return "consolidated" if consolidate else "conversation"

    def prompt(self, *, consolidate: bool) -> str:
        """Return the text to ask with: the first prompt, or of several all where they are made into one."""
        several = consolidate and len(self.prompts) > 1
        return consolidated(self.prompts) if several else self.prompts[0]


@dataclass(frozen=True)
class Telling:
    """What sessions tell of a whole history, and in figures."""

    sessions: int = 0
    """Conversations that were read; parts of others, such as subagents, are not counted by themselves."""
    single_turn: int = 0
    multi_turn: int = 0
    sessions_linked: int = 0
    linked: int = 0
    """Commits of any branch that are joined to a session."""
    by_link: Mapping[LinkReason, int] = field(default_factory=dict)
    """The same, by the surest reason."""
    changes_linked: int = 0
    """Landed changes with a session that is surely theirs."""
    ai_share_median: float | None = None
    """Of those, 0..1; None: there is none."""
    stated_share_median: float | None = None
    """The same as tools recorded it beside the commits; None: none did."""
    ai_share_whole: float | None = None
    """Share of them of which 99.9% and more of the lines are an agent's; None: there is none."""
    unasked: Mapping[str, int] = field(default_factory=dict)
    """Landed changes with a session, by the reason why its prompts are not what was asked for them."""
    told: Mapping[str, Told] = field(default_factory=dict)
    """By the id of the landed change's commit."""
    torn: int = 0
    unknown: int = 0


class Prompts:
    """The prompts that sessions give to changes, in place of those made of messages."""

    def __init__(self, telling: Telling | None = None, wanted: Wanted | None = None) -> None:
        self._told = telling.told if telling is not None else {}
        self._consolidate = wanted is not None and wanted.consolidate

    def reason(self, landed: Landed) -> Reason | None:
        """Return why a change cannot become a task, as far as sessions go."""
        told = self._told.get(landed.commit.id)
        return told.reason if told is not None else None

    def over(self, candidate: Candidate, landed: Landed) -> Candidate:
        """Return a candidate with what a session asked, where one did, and with who wrote it."""
        told = self._told.get(landed.commit.id)
        if told is None:
            return candidate
        if not told.prompts:
            return candidate.model_copy(update={"provenance": told.provenance})
        kind = told.kind(consolidate=self._consolidate)
        return candidate.model_copy(
            update={
                "prompt": told.prompt(consolidate=self._consolidate),
                "prompt_kind": kind,
                "prompts": told.prompts if kind == "conversation" else (),
                "removed": (),
                "provenance": told.provenance,
                "work": work_asked(told.prompts, candidate.prompt, candidate.files),
            }
        )


def tell(
    git: Git,
    view: Git,
    wanted: Wanted,
    changes: Sequence[Landed],
    progress: Callable[[str], None] = lambda _: None,
) -> Telling:
    """Link sessions to `changes` and return what they tell of each."""
    linked = link(git, view, wanted.sessions, changes, progress)
    asking = Asking(linked)
    told = {item.commit.id: _told(linked, asking, item, wanted) for item in changes}
    return _figures(linked, told)


def judged(asked: Asked | Reason) -> tuple[str, ...] | Reason:
    """Return what was asked without what nobody typed, or why that cannot be a task.

    In a conversation questions and words about git have their place; it is turned down when a prompt of it leans on
    what an agent will not have, or when none asks for anything that a test could tell. Its prompts may lean on those
    before them, but one must say by itself what is wanted, and the first that was worked on must not lean on what was
    said in the session before.
    """
    if isinstance(asked, Reason):
        return asked
    told = _each_judged(asked)
    said = [one for one in told if one.reason is None or one.reason.name != "template"] or told
    for one in said:
        if one.reason is not None and one.reason.name in _LEANING and not (one.idle and len(said) > 1):
            return one.reason
    first = next((one for one in said if one.worked), said[0])
    if asked.heard and first.reason is not None and first.reason.name == "too_vague":
        return Reason("refers_to_talk", first.reason.detail)
    if all(one.reason is not None for one in said):
        return next(one.reason for one in said if one.reason is not None)
    if not any(one.stands for one in said):
        return Reason("refers_to_talk", "names_nothing: no prompt of the conversation says by itself what is wanted")
    return tuple(one.prompt for one in said)


@dataclass(frozen=True)
class _Judged:
    """A prompt of a conversation with what speaks against it."""

    prompt: str
    reason: Reason | None
    worked: bool
    """The agent edited files on it; True for all where the log holds no edits."""
    stands: bool
    """It would be a task without the prompts before it."""

    @property
    def idle(self) -> bool:
        """It is a reaction to what went before, on which nothing was done: talk that does no harm."""
        leans = self.reason is not None and self.reason.name == "refers_to_talk"
        return leans and not self.worked and judge_prompt(self.prompt, "prompt", before="given") != self.reason


def _each_judged(asked: Asked) -> list[_Judged]:
    """Return the prompts of a conversation, each judged by what is known of it where it stands."""
    every = not any(asked.worked)
    judged: list[_Judged] = []
    for prompt, did in zip(asked.prompts, asked.worked or (True,) * len(asked.prompts), strict=True):
        alone: Before = "lost" if asked.heard or judged else "nothing"
        before: Before = alone if not judged or (asked.heard and not any(one.worked for one in judged)) else "given"
        reason = judge_prompt(prompt, "prompt", before=before)
        stands = reason is None and (before == alone or judge_prompt(prompt, "prompt", before=alone) is None)
        judged.append(_Judged(prompt, reason, did or every, stands))
    return judged


def _told(linked: Linked, asking: Asking, item: Landed, wanted: Wanted) -> Told:
    """Return what sessions tell of one change."""
    change = item.commit.id
    wrote = provenance(linked, change, (one.id for one in item.brought), item.commit.committed_at)
    asked = judged(asking.of(change))
    if not isinstance(asked, Reason):
        return Told(asked, wrote)
    return Told((), wrote, asked if wanted.only else None, asked)


def _is_whole(session: Session, ids: Collection[str]) -> bool:
    """Tell whether a session is a conversation of its own: no part of another, nor one that only an agent asked in."""
    return session.parent is None or (session.parent not in ids and bool(session.prompts()))


def _figures(linked: Linked, told: Mapping[str, Told]) -> Telling:
    """Return what was told with its figures."""
    ids = {session.id for session in linked.sessions}
    whole = [at for at, session in enumerate(linked.sessions) if _is_whole(session, ids)]
    turns = Counter(min(len(linked.sessions[at].prompts()), 2) for at in whole)
    by_link = linked.commits_by_reason()
    sure = {change: ties for change, ties in linked.ties.items() if any(tie.counts for tie in ties)}
    shares = [
        one.provenance.ai_share
        for change, one in told.items()
        if change in sure and one.provenance is not None and one.provenance.ai_share is not None
    ]
    stated = [
        one.provenance.stated_share
        for change, one in told.items()
        if change in sure and one.provenance is not None and one.provenance.stated_share is not None
    ]
    joined = {join.session for join in linked.joins}
    joined |= {tie.session for ties in sure.values() for tie in ties if tie.counts}
    return Telling(
        sessions=len(whole),
        single_turn=turns[1],
        multi_turn=turns[2],
        sessions_linked=sum(at in joined for at in whole),
        linked=sum(by_link.values()),
        by_link=by_link,
        changes_linked=len(sure),
        ai_share_median=round(statistics.median(shares), 4) if shares else None,
        stated_share_median=round(statistics.median(stated), 4) if stated else None,
        ai_share_whole=round(sum(share >= 0.999 for share in shares) / len(shares), 4) if shares else None,
        unasked=dict(
            Counter(
                one.unasked.name
                for one in told.values()
                if one.unasked is not None and one.unasked.name != "no_session"
            ).most_common()
        ),
        told=told,
        torn=sum(session.torn for session in linked.sessions),
        unknown=sum(session.unknown for session in linked.sessions),
    )
