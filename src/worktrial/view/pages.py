"""The pages of a run as it is now, made by the report's own templates when they are asked for."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from worktrial.analyse.summary import RunSummary
from worktrial.errors import FormatError
from worktrial.formats.config import Configuration
from worktrial.report.asjson import report_json
from worktrial.report.landed import Landed
from worktrial.report.live import Live, UnderWay
from worktrial.report.overview import index_page
from worktrial.report.pages import Shown, task_page, trial_page, under_way_page
from worktrial.report.reckoning import Reckoning, reckon
from worktrial.report.site import check_names
from worktrial.run.budgets import spent
from worktrial.store.run import RunDir, TrialDir
from worktrial.view.state import Kind, Known, State, details, look
from worktrial.view.under_way import so_far

REST = 4.0
"""Reckoning anew waits at least so many times as long as it took: a large run must not keep the machine busy."""
FRESH_S = 0.5
"""How long a look at the run's state holds, for all who ask."""


@dataclass(frozen=True)
class Page:
    """A page, and what its content policy depends on."""

    text: str
    template: str
    live: bool


@dataclass(frozen=True)
class News:
    """What to tell a browser that has a page open."""

    version: Hashable
    """Changes when there is something to tell at once."""
    mark: str
    """Changes when the page itself is another."""
    kind: Kind
    said: str
    more: str


class Pages:
    """A run's pages. Methods may be called from any thread."""

    def __init__(self, run: RunDir, configuration: Configuration) -> None:
        """Read what was asked. Raises `FormatError` for names that are none for addresses."""
        self._run = run
        self._configuration = configuration
        request = run.request()
        check_names(request)
        self._landed = Landed(Path(request.suite), run.lock().suite_digest)
        self._lock = threading.Lock()
        self._version: Hashable = None
        self._found: Reckoning | None = None
        self._not_before = 0.0
        self._looking = threading.Lock()
        self._state: State | None = None
        self._looked = 0.0
        self._known: tuple[int, Known] | None = None
        """With the size of the journal then, bytes."""

    def state(self) -> State:
        """Return how far the run is, now or a moment ago."""
        with self._looking:
            if self._state is None or time.monotonic() - self._looked > FRESH_S:
                size = self._journal_size()
                if self._known is None or self._known[0] != size:
                    self._known = size, Known.of(self._run)
                self._state, self._looked = look(self._run, self._known[1]), time.monotonic()
            return self._state

    def news(self, of: str) -> News:
        """Return what to tell of the run, or of a trial, `agent/task/n`; a trial there is not is never news."""
        state, summary = self.state(), self._reckoned().summary
        # What was reckoned may lag behind what is there, and is news once it has caught up.
        mark: list[Hashable] = [state.kind, self._journal_size(), self._version]
        for one in state.under_way:
            if _name(one) == of:
                mark += _sizes(self._folder(one))
        marked = "-".join(map(str, mark))
        more = details(state, summary, self._spent(summary), self._run)
        return News((marked, state.words), marked, state.kind, state.words, more)

    def index(self) -> Page:
        """Return the first page."""
        return Page(index_page(self._reckoned(), self._landed, self._live()), "index.html", live=True)

    def json(self) -> str:
        """Return `report.json`."""
        return json.dumps(report_json(self._reckoned(), self._landed), indent=1) + "\n"

    def task(self, task: str) -> Page | None:
        """Return the page of a task; None when the run has no such task."""
        summary = self._reckoned().summary
        if task not in summary.request.tasks:
            return None
        rows = [row for row in summary.rows if row.task == task]
        live = self._live()
        return Page(task_page(Shown.of(self._landed.task(task), rows, live), summary, live), "task.html", live=True)

    def trial(self, agent: str, task: str, n: str) -> Page | None:
        """Return the page of a trial that is finished or under way; None when the run has no such trial, or not yet."""
        summary, live = self._reckoned().summary, self._live()
        rows = [row for row in summary.rows if row.task == task]
        for row in rows:
            # Compared with what there is, and never made a path of: an address may hold anything.
            if (row.agent, str(row.n)) != (agent, n):
                continue
            shown = Shown.of(self._landed.task(task), rows, live)
            for one in live.under_way:
                if live.at_work_on(row) and one.key == (row.agent, row.task, row.n):
                    found = so_far(self._folder(one), redacted=bool(self._landed.info and self._landed.info.redacted))
                    return Page(under_way_page(shown, summary, one, found), "under_way.html", live=True)
            if row.outcome != "unfinished":
                folder = self._run.trial_dir(row.agent, row.task, row.n)
                return Page(trial_page(shown, summary, row, folder), "trial.html", live=False)
        return None

    def _live(self) -> Live:
        return Live(is_live=True, under_way=self.state().under_way)

    def _folder(self, one: UnderWay) -> TrialDir:
        return self._run.trial_dir(*one.key)

    def _spent(self, summary: RunSummary) -> float:
        """Return what is known of the cost of trials under way that `summary` has not counted yet, USD."""
        missing = {(row.agent, row.task, row.n) for row in summary.rows if row.outcome == "unfinished"}
        found = 0.0
        for one in self.state().under_way:
            if one.key in missing:
                with contextlib.suppress(FormatError):  # it is said on the trial's own page
                    found += spent(self._folder(one).path)[0]
        return found

    def _journal_size(self) -> int:
        return _size(self._run.journal.path)

    def _reckoned(self) -> Reckoning:
        """Return the run's figures, of now or of a moment ago."""
        with self._lock:
            # A trial that was finished and not graded when all was killed is not in the journal.
            version = (self._journal_size(), self.state().done)
            if self._found is None or (version != self._version and time.monotonic() >= self._not_before):
                started = time.monotonic()
                self._found, self._version = reckon(self._run, self._configuration), version
                self._not_before = time.monotonic() + REST * (time.monotonic() - started)
            return self._found


def _name(one: UnderWay) -> str:
    return f"{one.agent}/{one.task}/{one.n}"


def _sizes(folder: TrialDir) -> list[int]:
    """Return what changes while a trial is being written."""
    names = ("gateway.jsonl", "logs/agent.log", "trial.json", "verdict.json")
    return [_size(folder.path / name) for name in names]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
