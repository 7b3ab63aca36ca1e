"""The pages of tasks and trials, one at a time: what a page shows is read for it and let go."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass

from markupsafe import Markup

from worktrial.analyse.summary import RunSummary, TrialRow
from worktrial.errors import FormatError
from worktrial.formats.verdict import Verdict
from worktrial.pages.diffs import MAX_BYTES, FileDiff, fit, parse, sides
from worktrial.pages.render import diff_table
from worktrial.pages.text import Excerpt, read_excerpt
from worktrial.redaction.redactor import Redactor
from worktrial.report.grid import MARKS, mark
from worktrial.report.landed import TaskView
from worktrial.report.live import NOT_LIVE, Live, SoFar, UnderWay
from worktrial.report.render import Links, render
from worktrial.report.steps import trajectory_view
from worktrial.store.run import TrialDir

LOG_HEAD_BYTES = 16 * 1024
LOG_TAIL_BYTES = 64 * 1024
LOGS = 6
FAILED_TESTS = 200
_FROM_TRIAL = Links(3)


@dataclass(frozen=True)
class PatchView:
    """The patch an agent left."""

    files: list[FileDiff]
    cut: str = ""
    """Why part of it is not shown; empty when all of it is."""
    missing: bool = False


@dataclass(frozen=True)
class Shown:
    """A task with its landed diff and its marks as markup, made once for all of its pages."""

    view: TaskView
    tables: dict[str, Markup]
    """By path."""
    rows: list[TrialRow]
    """Its trials by all agents."""
    marks: list[Markup]
    """Of each of `rows`, as seen from the page of a trial."""

    @classmethod
    def of(cls, view: TaskView, rows: list[TrialRow], live: Live = NOT_LIVE) -> Shown:
        """Render the landed diff and the marks."""
        tables = {file.path: diff_table(file) for file in view.landed}
        return cls(view, tables, rows, [mark(row, _FROM_TRIAL, live=live) for row in rows])


def task_page(shown: Shown, summary: RunSummary, live: Live = NOT_LIVE) -> str:
    """Return the page of a task."""
    links = Links(1)
    return render(
        "task.html",
        links,
        view=shown.view,
        tables=shown.tables,
        results=_results(shown.rows, [mark(row, links, live=live) for row in shown.rows], summary),
        position=_position(summary, shown.view.id),
        share=shown.view.facts().ai_share,
        live=live.is_live,
    )


def trial_page(shown: Shown, summary: RunSummary, row: TrialRow, folder: TrialDir) -> str:
    """Return the page of a finished trial. Raises `FormatError` naming the file that can't be read."""
    verdict = folder.verdict()
    patch = read_patch(folder, redact=shown.view.redacts)
    compared = list(sides(patch.files, list(shown.view.landed)))
    logs = _logs(folder)
    marks = [mark(one, _FROM_TRIAL, here=True) if one is row else shown.marks[at] for at, one in enumerate(shown.rows)]
    return render(
        "trial.html",
        _FROM_TRIAL,
        row=row,
        trial=folder.trial(),
        verdict=verdict,
        outcome=MARKS[row.outcome],
        headline=_headline(row, verdict),
        failed=_failed(verdict, shown.view),
        view=shown.view,
        patch=patch,
        compared=compared,
        tables=shown.tables,
        diff_table=diff_table,
        test_log=next((log for name, log in logs if name == "tests.log"), None),
        logs=[(name, log) for name, log in logs if name != "tests.log"],
        trajectory=trajectory_view(folder.trajectory()),
        results=_results(shown.rows, marks, summary),
    )


def under_way_page(shown: Shown, summary: RunSummary, trial: UnderWay, found: SoFar) -> str:
    """Return the page of a trial that is under way."""
    return render(
        "under_way.html",
        _FROM_TRIAL,
        live=True,
        trial=trial,
        view=shown.view,
        found=found,
        trajectory=trajectory_view(found.trajectory),
        results=_results(shown.rows, shown.marks, summary),
    )


def read_patch(folder: TrialDir, *, redact: bool) -> PatchView:
    """Return the agent's patch, as much of it as is fit to show. The file is graded, and has all that it adds."""
    path = folder.patch_path
    if path.is_symlink() or not path.is_file():
        return PatchView([], missing=True)
    try:
        with path.open("rb") as file:
            data, cut = fit(file.read(MAX_BYTES), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise FormatError(f"could not read {path}", cause=error.strerror or str(error)) from error
    return PatchView(parse(Redactor().patch(data, "patch.diff") if redact else data), cut=cut)


def _results(rows: list[TrialRow], marks: list[Markup], summary: RunSummary) -> list[tuple[str, bool, Markup]]:
    """Return name, whether it is a control, and marks of each agent on one task."""
    by_agent: dict[str, list[Markup]] = defaultdict(list)
    for row, own in zip(rows, marks, strict=True):
        by_agent[row.agent].append(own)
    agents = (*summary.contenders, *summary.controls)
    return [(agent.name, agent.control, Markup(" ").join(by_agent[agent.name])) for agent in agents]


def _position(summary: RunSummary, task: str) -> tuple[str | None, str | None]:
    """Return the tasks before and after this one."""
    tasks = summary.request.tasks
    at = tasks.index(task)
    return tasks[at - 1] if at else None, tasks[at + 1] if at + 1 < len(tasks) else None


def _headline(row: TrialRow, verdict: Verdict | None) -> str:
    """Return the verdict in one line."""
    if row.outcome == "infrastructure":
        return "Infrastructure failure: not the agent's doing, so it left the denominator"
    if verdict is None:
        return "Not graded: grade it with worktrial grade RUN"
    if verdict.outcome == "solved":
        return f"Solved: all {verdict.expected:,} expected tests pass"
    if verdict.outcome == "tampered":
        return "Tampered with: the result is forged or cannot be, so it counts as not solved"
    if verdict.failed:
        return f"Not solved: {len(verdict.failed):,} of {verdict.expected:,} expected tests do not pass"
    return "Not solved"


def _failed(verdict: Verdict | None, view: TaskView) -> list[tuple[str, str, str]]:
    """Return id, status and class of the expected tests that did not pass, bounded in number."""
    if verdict is None:
        return []
    listed = list(verdict.failed.items())[:FAILED_TESTS]
    return [(test, status, view.class_of(test)) for test, status in listed]


def _logs(folder: TrialDir) -> list[tuple[str, Excerpt]]:
    """Return name and text of the trial's logs that say anything."""
    found = []
    names = sorted(path.name for path in folder.logs.glob("*.log"))[:LOGS] if folder.logs.is_dir() else []
    for name in sorted(names, key=lambda name: (name != "agent.log", name)):
        log = read_excerpt(folder.logs / name, head=LOG_HEAD_BYTES, tail=LOG_TAIL_BYTES)
        if log:
            found.append((name, log))
    return found
