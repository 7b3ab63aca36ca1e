"""What pages of a run in progress show that a report has not: trials that are under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from worktrial.analyse.summary import TrialRow
from worktrial.formats.base import now
from worktrial.formats.trajectory import Trajectory
from worktrial.pages.text import Excerpt

UNDER_WAY = ("\N{HORIZONTAL ELLIPSIS}", "under way")
"""Sign and words of a trial that is."""


@dataclass(frozen=True)
class UnderWay:
    """A trial that was begun and is not over."""

    agent: str
    task: str
    n: int
    since: datetime
    grading: bool = False
    """The agent's part is over."""

    @property
    def key(self) -> tuple[str, str, int]:
        """Agent, task and number."""
        return self.agent, self.task, self.n

    @property
    def seconds(self) -> float:
        """How long it has been under way."""
        return max(0.0, (now() - self.since).total_seconds())


@dataclass(frozen=True)
class Live:
    """What is true of a run at the moment."""

    is_live: bool = False
    """The page comes from a server and keeps itself up to date."""
    under_way: tuple[UnderWay, ...] = ()

    def at_work_on(self, row: TrialRow) -> bool:
        """Whether a trial is under way; one that has its verdict is not."""
        return bool(self.under_way) and row.outcome in _OPEN and (row.agent, row.task, row.n) in self._keys

    @cached_property
    def _keys(self) -> frozenset[tuple[str, str, int]]:
        return frozenset(one.key for one in self.under_way)


NOT_LIVE = Live()
_OPEN = ("unfinished", "ungraded")


@dataclass(frozen=True)
class SoFar:
    """What is on disk of a trial before it is over."""

    trajectory: Trajectory | None
    """By the gateway's record; None where it has none."""
    log: Excerpt | None
    requests: int
    tokens: int
    cost_usd: float | None
    """None: unknown."""
