"""Linking sessions to what landed.

What logs and commits say comes first (`joining`); commits that did not land as they were are followed (`following`);
for what is left, the lines that were edited are looked for among those that landed. Every link has its reason and how
sure it is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePath

from worktrial.formats.provenance import Link, LinkReason
from worktrial.formats.session import Session
from worktrial.mine.asking import judge_prompt
from worktrial.mine.changes import Missing, edits
from worktrial.mine.following import Follower
from worktrial.mine.joining import Joined, Records, by_author, joined
from worktrial.mine.known import Known, known_commits
from worktrial.mine.landed import Landed
from worktrial.mine.marks import checkpoint_shares, marks_of, notes, traces
from worktrial.mine.proposals import Line, Proposals, Shared, landed_lines, shared, tells
from worktrial.store.git import Git

SURE_ENOUGH = 0.5
"""From here on a link counts: its prompt is used, its lines are the agent's."""
LEAST_SHARE = 0.5
"""Share of a change's lines that a session must have proposed to be held for its own by that alone."""
LEAST_LINES = 3
"""Lines that must be among them; fewer only if they are all there is."""
_LINES_NEARBY = 2
_NEARBY = timedelta(hours=1)
"""A change made in the session's own folder and so soon after it needs no more lines than that."""
_MORE_SHARE = 0.1
"""Share of the lines that a further session must add."""
_UNLIKELY = 0.45
"""What is left of a join when the session has no line of the change, or began after it was made."""
_UNSEEN = 0.8
"""What is left when the log holds no edits that could be compared."""
_ONLOOKER = 0.05
"""Of the lines that the busiest session of a checkpoint has, the share below which another was not part of it."""
_FEW = 0.4
"""What a join loses at most when the session has few of the lines."""
_WAIT = timedelta(days=14)
_SLACK = timedelta(minutes=5)
_BEFORE_FIRST = timedelta(days=2)


@dataclass(frozen=True)
class Tie:
    """A session tied to a landed change."""

    session: int
    link: Link
    shared: Shared
    commits: tuple[str, ...] = ()
    """Commits of the session through which it is tied; empty for one by its lines."""

    @property
    def counts(self) -> bool:
        """Whether it is sure enough to be used."""
        return self.link.confidence >= SURE_ENOUGH


@dataclass
class Linked:
    """What is known of sessions and landed changes together."""

    sessions: Sequence[Session]
    proposals: Sequence[Proposals]
    commits: Mapping[str, Known]
    records: Records
    checkpoint_shares: Mapping[str, float]
    joins: list[Joined] = field(default_factory=list)
    """Every session joined to a commit of any branch."""
    ties: dict[str, list[Tie]] = field(default_factory=dict)
    """Sessions of each landed change, the surest first, by the id of its commit."""
    lines: dict[str, list[Line]] = field(default_factory=dict)
    """Added lines of each change that is tied, by the same."""

    def commits_by_reason(self) -> dict[LinkReason, int]:
        """Return how many commits are joined to a session, by the surest reason, each commit counted once."""
        best: dict[str, tuple[float, LinkReason]] = {}
        for join in self.joins:
            best[join.commit] = max(best.get(join.commit, (0.0, join.reason)), (join.sure, join.reason))
        for change, ties in self.ties.items():
            if not any(tie.commits for tie in ties) and (sure := [tie for tie in ties if tie.counts]):
                best.setdefault(change, (sure[0].link.confidence, sure[0].link.reason))
        return dict(Counter(reason for _, reason in best.values()).most_common())


def link(
    git: Git,
    view: Git,
    sessions: Sequence[Session],
    changes: Sequence[Landed],
    progress: Callable[[str], None] = lambda _: None,
) -> Linked:
    """Link `sessions` to `changes`. `view` reads the objects of `git` and none of its settings."""
    progress("reading the commits of all branches")
    starts = [session.started_at for session in sessions]
    known = [start for start in starts if start is not None]
    since = min(known) - _BEFORE_FIRST if known and len(known) == len(starts) else None
    commits = known_commits(git, view, since=since)
    records = Records({commit: marks_of(item) for commit, item in commits.items()}, notes(git, view), traces(git, view))
    linked = Linked(
        sessions, [Proposals(session) for session in sessions], commits, records, checkpoint_shares(git, view)
    )
    linked.joins = joined(view, sessions, commits, records)
    _Linker(git, view, changes, linked).run(progress)
    return linked


def _by_program(prompt: str) -> bool:
    """Tell whether a prompt was written by a program: a test of the agents themselves, a hand-over, a command."""
    reason = judge_prompt(prompt, "prompt")
    return reason is not None and reason.name == "template"


class _Linker:
    """One linking: from joins to ties."""

    def __init__(self, git: Git, view: Git, changes: Sequence[Landed], linked: Linked) -> None:
        self._git = git
        self._view = view
        self._linked = linked
        self._changes = {item.commit.id: item for item in changes if item.parent}
        self._change_of = {
            commit.id: item.commit.id for item in self._changes.values() for commit in (*item.brought, item.commit)
        }
        self._found: dict[str, list[tuple[Joined, str, float]]] = defaultdict(list)
        """By change: a join, how its commit landed, and how sure that is."""

    def run(self, progress: Callable[[str], None]) -> None:
        """Fill in `ties` and `lines`."""
        progress("following commits to where they landed")
        follower = Follower(self._view, list(self._changes.values()), self._linked.commits)
        self._settle(follower)
        progress("comparing the lines that sessions edited with those that landed")
        candidates = self._open_changes(follower)
        self._read_lines([*self._found, *candidates])
        for change, found in self._found.items():
            self._linked.ties[change] = self._tied(change, found)
        self._by_overlap([change for change in candidates if not self._is_tied(change)])
        self._by_author()
        for change in list(self._linked.lines):
            if not self._linked.ties.get(change):
                del self._linked.lines[change]

    def _is_tied(self, change: str) -> bool:
        return any(tie.counts for tie in self._linked.ties.get(change, ()))

    def _settle(self, follower: Follower) -> None:
        """Sort the joins by the changes that their commits landed in."""
        landed = set(self._view.run("rev-list", self._git.text("rev-parse", "HEAD^{commit}")).decode().split())
        astray = {join.commit for join in self._linked.joins if join.commit not in self._change_of} - landed
        followed = follower.follow([self._linked.commits[commit] for commit in sorted(astray)])
        for join in self._linked.joins:
            if (change := self._change_of.get(join.commit)) is not None:
                self._found[change].append((join, "", 1.0))
            elif (one := followed.get(join.commit)) is not None:
                self._found[one.change].append((join, one.how, one.sure))

    # -- lines --

    def _open_changes(self, follower: Follower) -> list[str]:
        """Return the changes that sessions may have made without a word of it: same files, and in time."""
        names = {name for proposals in self._linked.proposals for name in proposals.files}
        found = []
        for change, item in self._changes.items():
            if change not in self._found and names & follower.names(change) and any(
                self._in_time(session, item) for session in self._linked.sessions
            ):  # fmt: skip
                found.append(change)
        return found

    def _in_time(self, session: Session, item: Landed) -> bool:
        """Tell whether a change may have been made of a session, by the clock."""
        made = self._made_at(item)
        begins_before = session.started_at is None or session.started_at <= made + _SLACK
        ends_near = session.ended_at is None or made <= session.ended_at + _WAIT
        return begins_before and ends_near

    def _made_at(self, item: Landed) -> datetime:
        """Return when the last of a change's commits was made."""
        known = [self._linked.commits[one.id].authored_at for one in item.brought if one.id in self._linked.commits]
        return max(known, default=item.commit.committed_at)

    def _read_lines(self, changes: Iterable[str]) -> None:
        wanted = [change for change in changes if change not in self._linked.lines]
        pairs = [(change, self._changes[change].parent) for change in wanted]
        for change, found in zip(wanted, edits(self._view, pairs), strict=True):
            self._linked.lines[change] = [] if isinstance(found, Missing) else landed_lines(found)

    def _shared(self, session: int, change: str, lines: Sequence[Line] | None = None) -> Shared:
        before = self._changes[change].commit.committed_at
        of = self._linked.lines[change] if lines is None else lines
        return shared(self._linked.proposals[session], of, before)

    # -- ties by what is written --

    def _tied(self, change: str, found: Sequence[tuple[Joined, str, float]]) -> list[Tie]:
        """Return the ties of one change, made of its joins."""
        by_session: dict[int, list[tuple[Joined, str, float]]] = defaultdict(list)
        for item in found:
            by_session[item[0].session].append(item)
        ties = []
        for session, items in by_session.items():
            join, how, sure = max(items, key=lambda item: item[0].sure * item[2])
            common = self._shared(session, change)
            bearing, why = self._bearing(session, common, (item[0].commit for item in items))
            confidence = join.sure * sure * bearing
            detail = "; ".join(filter(None, (join.detail, how, self._said(common), why)))
            made = self._link(session, join.reason, confidence, detail)
            ties.append(Tie(session, made, common, tuple(dict.fromkeys(item[0].commit for item in items))))
        # A checkpoint names every session that was open: those with next to no line of the change only looked on.
        most = max(tie.shared.lines for tie in ties)
        least = max(1, _ONLOOKER * most) if most else 0
        ties = [tie for tie in ties if tie.shared.lines >= least or tie.link.reason != "checkpoint_trailer"]
        return sorted(ties, key=lambda tie: (-tie.link.confidence, -tie.shared.lines))

    def _bearing(self, session: int, common: Shared, commits: Iterable[str]) -> tuple[float, str]:
        """Return what clock and lines make of a join, and why.

        Tools name sessions that only looked on or came later; whoever wrote none of a change was not asked for it.
        """
        one = self._linked.sessions[session]
        made = [self._linked.commits[commit].authored_at for commit in commits]
        if one.started_at is not None and all(one.started_at > at + _SLACK for at in made):
            return _UNLIKELY, "the session began later"
        if common.of < LEAST_LINES or common.share >= LEAST_SHARE:
            return 1.0, ""
        if not common.lines and all(_by_program(prompt) for prompt in one.prompts()):
            return _UNLIKELY, "nobody typed its prompts"
        if one.torn:
            return _UNSEEN, "parts of the log are lacking"
        if not common.lines:
            worked = self._linked.proposals[session] or one.models()
            return (_UNLIKELY, "") if worked else (_UNSEEN, "the log holds no edits")
        return 1.0 - _FEW * (1.0 - common.share / LEAST_SHARE), ""

    @staticmethod
    def _said(common: Shared) -> str:
        return f"{common.lines} of {common.of} lines in common" if common.of else ""

    def _link(self, session: int, reason: LinkReason, confidence: float, detail: str) -> Link:
        one = self._linked.sessions[session]
        sure = round(min(confidence, 1.0), 3)
        return Link(source=one.source, session=one.id, reason=reason, confidence=sure, detail=detail)

    # -- ties by lines alone --

    def _by_overlap(self, changes: Sequence[str]) -> None:
        """Tie the changes that nothing is written about to the sessions whose lines they hold."""
        wanted = {(line.path.rpartition("/")[2], line.text)
                  for change in changes for line in self._linked.lines[change] if tells(line.text)}  # fmt: skip
        sessions_of: dict[tuple[str, str], list[int]] = defaultdict(list)
        for at, proposals in enumerate(self._linked.proposals):
            for key in proposals.texts():
                if key in wanted:
                    sessions_of[key].append(at)
        for change in changes:
            counts: Counter[int] = Counter()
            for line in self._linked.lines[change]:
                counts.update(set(sessions_of.get((line.path.rpartition("/")[2], line.text), ())))
            likely = [at for at, _ in counts.most_common(8)
                      if self._in_time(self._linked.sessions[at], self._changes[change])]  # fmt: skip
            if ties := self._best(change, likely):
                self._linked.ties.setdefault(change, []).extend(ties)

    def _best(self, change: str, sessions: Sequence[int]) -> list[Tie]:
        """Return the ties to the sessions that proposed most of a change, each for the lines that no surer one has."""
        lines = [line for line in self._linked.lines[change] if tells(line.text)]
        rest = lines
        ties: list[Tie] = []
        waiting = set(sessions)
        before = self._changes[change].commit.committed_at
        while waiting and rest:
            best = max(waiting, key=lambda at: (self._shared(at, change, rest).lines, self._nearness(at, change)))
            waiting.discard(best)
            added = self._shared(best, change, rest).lines
            if added < max(LEAST_LINES if ties else 1, _MORE_SHARE * len(lines)):
                break
            common = self._shared(best, change)
            confidence = self._by_lines(best, change, common)
            if confidence < 0.25:
                break
            ties.append(Tie(best, self._link(best, "overlap", confidence, self._said(common)), common))
            rest = [line for line in rest if self._linked.proposals[best].of(line, before) is None]
        return sorted(ties, key=lambda tie: -tie.link.confidence)

    def _nearness(self, session: int, change: str) -> float:
        """Return how near in time a session ended to when a change was made: nearer is larger."""
        ended = self._linked.sessions[session].ended_at
        return -abs((self._made_at(self._changes[change]) - ended).total_seconds()) if ended else float("-inf")

    def _by_lines(self, session: int, change: str, common: Shared) -> float:
        """Return how sure a tie by lines alone is, 0..1."""
        one = self._linked.sessions[session]
        here = one.cwd is None or self._same_place(one.cwd)
        waited = None if one.ended_at is None else self._made_at(self._changes[change]) - one.ended_at
        least = _LINES_NEARBY if here and waited is not None and waited <= _NEARBY else LEAST_LINES
        enough = common.lines >= least or common.lines == common.of > 0
        sure = 0.4 + 0.5 * common.share if common.share >= LEAST_SHARE and enough else 0.2 + 0.5 * common.share
        if not enough:
            return 0.0
        if waited is None or waited > timedelta(days=1):
            sure *= 0.9
        if not here:
            sure *= 0.8
        return sure

    def _same_place(self, cwd: str) -> bool:
        """Tell whether a session's folder may be this repository, here or on another machine."""
        own = [part.removesuffix(".git") for part in self._git.git_dir.parts if part not in (".git", "/", "repo")]
        return bool(own) and own[-1] in [part for part in PurePath(cwd).parts if part != "/"]

    # -- ties by authors --

    def _by_author(self) -> None:
        """Tie what is left to the one session of the tool that a commit names as its author."""
        for change, item in self._changes.items():
            if self._linked.ties.get(change):
                continue
            for commit in (one.id for one in item.brought):
                known, marks = self._linked.commits.get(commit), self._linked.records.marks.get(commit)
                if known is None or marks is None or not marks.tools:
                    continue
                if (join := by_author(self._linked.sessions, known, marks)) is not None:
                    self._read_lines([change])
                    common = self._shared(join.session, change)
                    made = self._link(join.session, join.reason, join.sure, join.detail)
                    self._linked.ties[change] = [Tie(join.session, made, common, (commit,))]
                    break
