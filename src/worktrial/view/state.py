"""How far a run is, whether anybody is at work on it, and what that is in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from worktrial.analyse.summary import RunSummary
from worktrial.analyse.words import UNKNOWN, count, duration, money
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.report.live import UnderWay
from worktrial.store.presence import presence
from worktrial.store.run import RunDir

Kind = Literal["going", "finished", "interrupted", "out_of_budget", "stopped"]
"""*interrupted*: by Ctrl-C. *stopped*: whoever was at work is gone and said nothing, as after a kill or a power cut."""
_WORDS: dict[Kind, str] = {
    "going": "Live",
    "finished": "Finished",
    "interrupted": "Interrupted",
    "out_of_budget": "Out of budget",
    "stopped": "Stopped without finishing",
}
_ENOUGH_TO_GUESS = 3
"""Trials of this session before it is said how long the rest may take."""


@dataclass(frozen=True)
class Session:
    """What the journal says since somebody last began to work."""

    started_at: datetime | None = None
    """None: nobody has."""
    last: JournalEntry | None = None
    """What was noted last, gradings again left out."""
    begun: Mapping[tuple[str, str, int], datetime] = field(default_factory=dict)
    """Trials that were begun and are not over, by agent, task and number."""
    ended: Mapping[str, int] = field(default_factory=dict)
    """Trials that came to their end, by agent."""
    overhead_s: float = 0.0
    """Mean of what such a trial took beside agent and tests."""


@dataclass(frozen=True)
class State:
    """How far a run is."""

    kind: Kind
    done: int
    """Trials that came to their end."""
    asked: int
    under_way: tuple[UnderWay, ...] = ()
    """The longest first; empty unless the run is going on."""
    seen_at: datetime | None = None
    """The last sign of life of whoever worked on it; None: there was none."""
    session: Session = Session()

    @property
    def going(self) -> bool:
        """Whether somebody is at work on it."""
        return self.kind == "going"

    @property
    def words(self) -> str:
        """What it is and how far, in a few words."""
        if self.kind == "finished" and self.done == self.asked:
            return f"Finished: all {count(self.asked, 'trial')}"
        return f"{_WORDS[self.kind]}: {self.done:,} of {count(self.asked, 'trial')} finished"


def session_of(journal: Iterable[JournalEntry]) -> Session:
    """Return the last session of a journal."""
    started_at, last = None, None
    begun: dict[tuple[str, str, int], datetime] = {}
    ended: Counter[str] = Counter()
    overheads: list[float] = []
    for entry in journal:
        trial = (entry.agent, entry.task, entry.n)
        if entry.event == "graded":
            continue
        last = entry
        if entry.event in ("started", "resumed"):
            started_at = entry.at
            begun, ended, overheads = {}, Counter(), []
        elif entry.event == "begun":
            begun[trial] = entry.at
        elif entry.event == "trial":
            begun.pop(trial, None)
            ended[entry.agent] += 1
            overheads += [entry.overhead_s] if entry.overhead_s is not None else []
    return Session(started_at, last, begun, ended, sum(overheads) / len(overheads) if overheads else 0.0)


@dataclass(frozen=True)
class Known:
    """What changes only when the journal has a new line."""

    session: Session
    asked: int
    finished: frozenset[tuple[str, str, int]]
    """Trials that came to their end, those left out that are begun again."""

    @classmethod
    def of(cls, run: RunDir) -> Known:
        """Read the journal and look for every trial. Raises `FormatError` naming the file that is torn."""
        session, trials = session_of(run.journal), list(run.trial_dirs())
        keys = {(trial.agent, trial.task, trial.n) for trial in trials if (trial.path / "trial.json").exists()}
        return cls(session, len(trials), frozenset(keys - {*session.begun}))


def look(run: RunDir, known: Known | None = None) -> State:
    """Return how far a run is; `known` is what was read since the journal's last line.

    Raises `FormatError` naming the file that is torn.
    """
    known = known or Known.of(run)
    session = known.session
    done = len(known.finished) + sum((run.trial_dir(*key).path / "trial.json").exists() for key in session.begun)
    seen = presence(run.path)
    signs = [sign for sign in (seen and seen.seen_at, session.last and session.last.at) if sign]
    seen_at = max(signs, default=None)
    kind = _kind(session, at_work=seen is not None and seen.at_work)
    under_way = sorted(_under_way(run, session), key=lambda one: one.since) if kind == "going" else []
    return State(kind, done, known.asked, tuple(under_way), seen_at, session)


def _kind(session: Session, *, at_work: bool) -> Kind:
    if at_work:
        return "going"
    if session.last is None or session.last.event not in ("finished", "drained"):
        return "stopped"
    if session.last.event == "finished":
        return "finished"
    return "out_of_budget" if session.last.why == "budget" else "interrupted"


def _under_way(run: RunDir, session: Session) -> Iterable[UnderWay]:
    for (agent, task, n), since in session.begun.items():
        folder = run.trial_dir(agent, task, n)
        tried = (folder.path / "trial.json").exists()
        # One that the budget cut off ends without a word in the journal; it is not graded either.
        if not tried or ((trial := folder.trial()) is not None and trial.ended != "budget"):
            yield UnderWay(agent, task, n, since, grading=tried)


def details(state: State, summary: RunSummary, spent_usd: float, run: RunDir) -> str:
    """Return what else there is to say of a run's state, for people; it changes by the second.

    `spent_usd` is what is known of the attempts that have not come to their end.
    """
    said = [_cost(summary, spent_usd, over=state.kind == "finished")]
    if state.going:
        left_s = estimate(state, summary)
        if left_s is not None:
            said.insert(0, f"about {_roughly(left_s)} to go")
        if state.under_way:
            said.append(f"{len(state.under_way):,} under way")
    elif state.kind != "finished":
        if state.seen_at is not None:
            ago = duration(max(0.0, (now() - state.seen_at).total_seconds()))
            what = "last sign of life " if state.kind == "stopped" else ""
            said.insert(0, f"{what}{state.seen_at:%Y-%m-%d %H:%M:%S} UTC, {ago} ago")
        said.append(f"the same worktrial run … --out {run.path.name} goes on with it")
    return "; ".join(filter(None, said))


def _roughly(seconds: float) -> str:
    """Return a span of time that is only guessed: to ten seconds, or to a minute."""
    step = 10 if seconds < 90 else 60
    return duration(max(step, round(seconds / step) * step))


def _cost(summary: RunSummary, spent_usd: float, *, over: bool) -> str:
    """Return what the run cost so far; empty where nothing could."""
    costs = [agent.cost for agent in summary.agents if not agent.control and agent.cost.attempts]
    known = sum(cost.known_usd for cost in costs) + spent_usd
    if not costs and not spent_usd:
        return ""
    until = "in all" if over else "so far"
    if not any(cost.unknown for cost in costs):
        return f"{money(known)} {until}"
    return f"at least {money(known)} {until}" if known else f"cost {UNKNOWN}"


def estimate(state: State, summary: RunSummary) -> float | None:
    """Return how long the trials that are left may take, seconds; None while too little is known.

    As long as those of this session did, weighed by how long each agent takes for one: what goes on at once, and what
    tests take, is in that already.
    """
    started_at, ended = state.session.started_at, state.session.ended
    if started_at is None or sum(ended.values()) < _ENOUGH_TO_GUESS:
        return None
    weights = _weights(summary, state.session.overhead_s)
    left = Counter(row.agent for row in summary.rows if row.outcome == "unfinished")
    work = sum(weights[agent] * number for agent, number in ended.items())
    elapsed_s = (now() - started_at).total_seconds()
    if work <= 0 or elapsed_s <= 0 or not left:
        return None
    return elapsed_s * sum(weights[agent] * number for agent, number in left.items()) / work


def _weights(summary: RunSummary, overhead_s: float) -> Mapping[str, float]:
    """Return about how long a trial of each agent takes, seconds; one that has none yet, as long as the others'."""
    times: dict[str, list[float]] = defaultdict(list)
    for row in summary.rows:
        if row.agent_s is not None:
            times[row.agent].append(row.agent_s)
    contenders = [agent.name for agent in summary.agents if not agent.control]
    others = _mean([seconds for name in contenders for seconds in times[name]])
    return {
        agent.name: (_mean(times[agent.name]) if times[agent.name] else others) + overhead_s for agent in summary.agents
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
