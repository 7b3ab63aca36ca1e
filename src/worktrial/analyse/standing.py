"""Who leads a run, and who is not told apart from the leader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from worktrial.analyse.summary import AgentSummary, RunSummary, outcomes

if TYPE_CHECKING:
    from worktrial.analyse.intervals import Outcomes
    from worktrial.analyse.multiple import Comparisons
    from worktrial.analyse.paired import Paired


@dataclass(frozen=True, eq=False)
class Contender:
    """An agent, what it solved and what a completed task costs with it."""

    agent: AgentSummary
    usd: float | None
    """Per completed task; None: unknown, or none was completed."""
    outcomes: Outcomes = field(repr=False)

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name


@dataclass(frozen=True, eq=False)
class Rival:
    """A contender that leads less, against the leader."""

    contender: Contender
    paired: Paired | None
    """Leader minus rival; None when they share fewer than two graded tasks."""
    p: float
    """Adjusted for all comparisons with the leader; 1 without any."""

    @property
    def behind(self) -> bool:
        """Whether it is established that it solves less."""
        from worktrial.analyse.paired import ALPHA

        return self.paired is not None and self.paired.established and self.paired.difference > 0 and self.p < ALPHA


@dataclass(frozen=True, eq=False)
class Standing:
    """The leader against all who could be taken in its place."""

    leader: Contender
    rivals: tuple[Rival, ...]
    """In order of merit; at least one. Contenders that another one beats in everything are left out (see `stand`)."""

    @property
    def tied(self) -> tuple[Rival, ...]:
        """Those that are not told apart from the leader."""
        return tuple(rival for rival in self.rivals if not rival.behind)

    @property
    def behind(self) -> tuple[Rival, ...]:
        """Those that are."""
        return tuple(rival for rival in self.rivals if rival.behind)

    def cheapest(self, clearly: float) -> Contender | None:
        """Return who costs least of the leader and those that were compared with it and are tied.

        None when a cost is unknown, nobody completed a task, or the saving is less than `clearly` times: of the leader
        over every other, or of another one over the leader.
        """
        group = [self.leader, *(rival.contender for rival in self.tied if rival.paired)]
        costs = [price for one in group if (price := _price(one))]
        if len(costs) < len(group) or costs[0] == float("inf"):
            return None
        if all(usd >= costs[0] * clearly for usd in costs[1:]):
            return self.leader
        least = min(range(len(group)), key=lambda place: (costs[place], place))
        return group[least] if costs[0] >= costs[least] * clearly else None


def stand(
    summary: RunSummary, each_usd: Mapping[str, float | None] | None = None, compared: Comparisons | None = None
) -> Standing | None:
    """Return who leads, compared with everyone else; None with fewer than two contenders that have a graded trial.

    The leader has the highest rate, of those level the one that costs less. The p-values are Holm's over the
    comparisons with it: the more agents are tried, the easier one of them leads by chance. A contender that solves no
    task more often than another one and costs as much or more cannot lead by chance and is never worth taking: it is
    in no comparison as long as others are. `each_usd` is what a completed task costs; `compared`, of all contenders
    with each other, spares comparing them again.
    """
    import numpy as np

    from worktrial.analyse.multiple import holm
    from worktrial.analyse.paired import compare

    contenders = [
        Contender(agent, agent.cost_per_completed_usd if each_usd is None else each_usd.get(agent.name), own)
        for agent in summary.agents
        if agent.rate and not agent.control
        for own in [outcomes([row for row in summary.rows if row.agent == agent.name], summary.request)]
    ]
    if len(contenders) < 2:
        return None
    leader, *others = sorted(contenders, key=_merit)
    others = [one for one in others if not any(_dominates(other, one) for other in others)]
    others = [one for one in others if not _dominates(leader, one)] or others
    found = [_known(compared, leader.name, one.name) or compare(leader.outcomes, one.outcomes) for one in others]
    p = iter(holm(np.array([paired.p for paired in found if paired])).tolist())
    rivals = [Rival(one, paired, next(p) if paired else 1.0) for one, paired in zip(others, found, strict=True)]
    return Standing(leader, tuple(rivals))


def _merit(one: Contender) -> tuple[float, float, str]:
    rate = one.agent.rate.mean if one.agent.rate else -1.0
    return -rate, float("inf") if one.usd is None else one.usd, one.name


def _price(one: Contender) -> float | None:
    """Return what a completed task costs: without end for who completed none, which is not unknown."""
    return float("inf") if one.agent.rate is not None and one.agent.rate.mean == 0 else one.usd


def _dominates(one: Contender, other: Contender) -> bool:
    """Whether another contender is never better and no cheaper, on all tasks; of two that are equal the first named."""
    import numpy as np

    from worktrial.analyse.intervals import task_means

    mine, theirs = _price(one), _price(other)
    if one is other or mine is None or theirs is None or theirs < mine:
        return False
    means = task_means(one.outcomes), task_means(other.outcomes)
    if np.isnan(means[0]).any() or np.isnan(means[1]).any() or not np.all(means[0] >= means[1]):
        return False
    return mine < theirs or bool(np.any(means[0] > means[1])) or one.name < other.name


def _known(compared: Comparisons | None, leader: str, other: str) -> Paired | None:
    for pair in compared.pairs if compared else ():
        if (pair.first, pair.second) == (leader, other):
            return pair.paired
        if (pair.first, pair.second) == (other, leader):
            found = pair.paired
            return replace(found, difference=-found.difference, low=-found.high, high=-found.low)
    return None
