"""The pages of tasks and trials, one at a time: what a page shows is read for it and let go."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from worktrial.analyse.summary import RunSummary, TrialRow
from worktrial.errors import FormatError
from worktrial.formats.trajectory import Step, Trajectory
from worktrial.formats.verdict import Verdict
from worktrial.pages.diffs import FileDiff, parse, sides
from worktrial.pages.render import diff_table
from worktrial.pages.text import Excerpt, read_excerpt, shorten
from worktrial.report.landed import TaskView
from worktrial.report.overview import MARKS, mark
from worktrial.report.render import Links, render
from worktrial.store.run import TrialDir

PATCH_BYTES = 2 * 1024**2
LOG_HEAD_BYTES = 16 * 1024
LOG_TAIL_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 8000
"""Of one message, one call's arguments, or what one call gave back."""
TRAJECTORY_CHARACTERS = 600_000
"""Of all a trajectory shows."""
TRAJECTORY_STEPS = 300
LOGS = 6
FAILED_TESTS = 200


@dataclass(frozen=True)
class PatchView:
    """The patch an agent left."""

    files: list[FileDiff]
    cut: str = ""
    """Why part of it is not shown; empty when all of it is."""
    missing: bool = False


@dataclass(frozen=True)
class StepView:
    """One turn of a trajectory, cleaned and bounded."""

    number: int
    source: str
    summary: str
    """First words, for the closed line."""
    message: Excerpt
    reasoning: Excerpt
    calls: list[tuple[str, Excerpt]]
    results: list[Excerpt]


@dataclass(frozen=True)
class TrajectoryView:
    """What is shown of a trajectory."""

    steps: list[StepView]
    total: int
    agent: str
    cut: str = ""


@dataclass(frozen=True)
class Shown:
    """A task with its landed diff as markup, made once for all of its pages."""

    view: TaskView
    tables: dict[str, Markup]
    """By path."""

    @classmethod
    def of(cls, view: TaskView) -> Shown:
        """Render the landed diff."""
        return cls(view, {file.path: diff_table(file) for file in view.landed})


def task_page(shown: Shown, summary: RunSummary, rows: list[TrialRow]) -> str:
    """Return the page of a task; `rows` are its trials by all agents."""
    links = Links(1)
    return render(
        "task.html",
        links,
        view=shown.view,
        tables=shown.tables,
        results=_results(rows, summary, links),
        position=_position(summary, shown.view.id),
    )


def trial_page(shown: Shown, summary: RunSummary, row: TrialRow, rows: list[TrialRow], folder: TrialDir) -> str:
    """Return the page of a finished trial. Raises `FormatError` naming the file that can't be read."""
    links = Links(3)
    verdict = folder.verdict()
    patch = read_patch(folder)
    compared = list(sides(patch.files, list(shown.view.landed)))
    logs = _logs(folder)
    return render(
        "trial.html",
        links,
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
        trajectory=_trajectory(folder.trajectory()),
        results=_results(rows, summary, links, row),
    )


def read_patch(folder: TrialDir) -> PatchView:
    """Return the agent's patch, as much of it as is fit to show."""
    path = folder.patch_path
    if path.is_symlink() or not path.is_file():
        return PatchView([], missing=True)
    try:
        with path.open("rb") as file:
            data = file.read(PATCH_BYTES + 1)
    except OSError as error:
        raise FormatError(f"could not read {path}", cause=error.strerror or str(error)) from error
    if len(data) <= PATCH_BYTES:
        return PatchView(parse(data))
    size = path.stat().st_size / 1024**2
    cut = f"Cut: the patch has {size:,.1f} MiB, of which the first {PATCH_BYTES // 1024**2} are shown."
    return PatchView(parse(data[: data.rfind(b"\n") + 1]), cut=cut)


def _results(
    rows: list[TrialRow], summary: RunSummary, links: Links, here: TrialRow | None = None
) -> list[tuple[str, bool, Markup]]:
    """Return name, whether it is a control, and marks of each agent on one task."""
    return [
        (
            agent.name,
            agent.control,
            Markup(" ").join(mark(row, links, here=row is here) for row in rows if row.agent == agent.name),
        )
        for agent in (*summary.contenders, *summary.controls)
    ]


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


def _trajectory(trajectory: Trajectory | None) -> TrajectoryView | None:
    if trajectory is None:
        return None
    room = TRAJECTORY_CHARACTERS
    steps: list[StepView] = []
    for step in trajectory.steps[:TRAJECTORY_STEPS]:
        view = _step(step)
        room -= _weight(view)
        if room < 0 and steps:
            break
        steps.append(view)
    total = len(trajectory.steps)
    cut = f"Cut: {total - len(steps):,} of {total:,} steps are not shown." if len(steps) < total else ""
    agent = " ".join(filter(None, [trajectory.agent.name, trajectory.agent.version, trajectory.agent.model_name]))
    return TrajectoryView(steps, total, agent, cut)


def _step(step: Step) -> StepView:
    calls = [
        (call.function_name, shorten(_arguments(call.arguments), MESSAGE_CHARACTERS)) for call in step.tool_calls or ()
    ]
    results = step.observation.results if step.observation else ()
    message = shorten(step.message, MESSAGE_CHARACTERS)
    said = " ".join(message.head.split())
    return StepView(
        step.step_id,
        step.source,
        summary=said[:160] if said else ", ".join(name for name, _ in calls[:5]),
        message=message,
        reasoning=shorten(step.reasoning_content or "", MESSAGE_CHARACTERS),
        calls=calls,
        results=[shorten(result.content or "", MESSAGE_CHARACTERS) for result in results],
    )


def _arguments(arguments: dict[str, Any]) -> str:
    """Return a call's arguments for people: one text as it is, more as JSON with their line breaks."""
    if len(arguments) == 1 and isinstance(only := next(iter(arguments.values())), str):
        return only
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in arguments.items()
    )


def _weight(view: StepView) -> int:
    texts = [view.message, view.reasoning, *(text for _, text in view.calls), *view.results]
    return sum(len(text.head) + len(text.tail) for text in texts)
