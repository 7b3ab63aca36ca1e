"""What the report reads of the suite: prompts, landed diffs and expected tests; a suite may have moved or changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worktrial.analyse.reviews import NAMES, ByReviewer, doubts, latest, tally
from worktrial.analyse.splits import TaskFacts
from worktrial.errors import FormatError
from worktrial.formats.suite import SuiteInfo
from worktrial.formats.task import Task
from worktrial.pages.diffs import FileDiff, parse
from worktrial.pages.text import Excerpt, shorten, title_of
from worktrial.store.suite import Suite

PROMPT_CHARACTERS = 40_000
TURNS = 40


@dataclass(frozen=True)
class TaskView:
    """One task as pages show it; all but `id` is empty when the suite no longer holds it."""

    id: str
    title: str = ""
    """First line of the prompt."""
    task: Task | None = None
    prompt: Excerpt | None = None
    turns: tuple[Excerpt, ...] = ()
    """What is asked turn by turn, the first included; empty when the prompt is all."""
    landed: tuple[FileDiff, ...] = ()
    reviewed: tuple[tuple[str, str], ...] = ()
    """What reviewers said: label and answers with their counts."""
    doubted: bool | None = None
    """See `TaskFacts`."""
    redacts: bool = True
    """Whether secrets and people are kept off its pages; not where the suite was mined with all of them."""

    def facts(self) -> TaskFacts:
        """Return what tables say of the task."""
        task = self.task
        if task is None:
            return TaskFacts(self.id)
        work, source = task.work, task.provenance
        return TaskFacts(
            self.id,
            language=task.language,
            kind=work.kind if work else None,
            difficulty=work.difficulty if work else None,
            lines=work.lines if work else sum(file.added + file.removed for file in self.landed),
            ai_share=source.ai_share if source else None,
            model=source.models[0] if source and source.models else None,
            landed_on=task.landed_at.date(),
            doubted=self.doubted,
        )

    def class_of(self, test: str) -> str:
        """Return in which class of expected tests `test` is; empty when unknown."""
        if self.task is not None:
            for name, tests in self.tests():
                if test in tests:
                    return name
        return ""

    def tests(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the expected tests by class, the deciding ones first; empty classes left out."""
        if self.task is None:
            return []
        expected = self.task.tests
        classes = [
            ("fail to pass", expected.fail_to_pass),
            ("missing to pass", expected.missing_to_pass),
            ("skip to pass", expected.skip_to_pass),
            ("pass to pass", expected.pass_to_pass),
        ]
        return [(name, tests) for name, tests in classes if tests]


class Landed:
    """The suite of a run, as far as it is still there."""

    def __init__(self, path: Path, digest: str) -> None:
        self.name = path.name
        self.info: SuiteInfo | None = None
        self.problem = ""
        """Why the suite can't be shown, or not relied on; for people, empty when all is well."""
        self._suite: Suite | None = None
        self._known: dict[str, tuple[str, TaskFacts]] = {}
        """Title and facts of the tasks that were read: little, where a task can be large."""
        self._reviews: dict[str, ByReviewer] | None = None
        try:
            suite = Suite.open(path)
            self.info = suite.info()
            self._suite = suite
        except FormatError as error:
            self.problem = f"The suite can't be read, so prompts and landed diffs are missing here: {error.message}."
            return
        self.name = self.info.name
        try:
            if suite.digest() != digest:
                self.problem = "The suite has changed since this run: prompts and landed diffs are those of today."
        except OSError as error:
            self.problem = f"Part of the suite can't be read: {error.strerror}."

    def task(self, task: str) -> TaskView:
        """Return what there is of a task. Raises `FormatError` when its files are there but torn."""
        view = self._read(task)
        self._known[task] = (view.title, view.facts())
        return view

    def _read(self, task: str) -> TaskView:
        if self._suite is None or not self._suite.task_dir(task).is_dir():
            return TaskView(task)
        prompt, found = self._suite.prompt(task), self._suite.task(task)
        return TaskView(
            task,
            title=title_of(prompt),
            task=found,
            prompt=shorten(prompt, PROMPT_CHARACTERS),
            turns=tuple(shorten(turn, PROMPT_CHARACTERS // 4) for turn in found.prompts[:TURNS]),
            landed=tuple(parse(self._suite.patch(task, "solution"))),
            reviewed=tuple(self.reviewed(task)),
            doubted=bool(doubts(by_reviewer)) if (by_reviewer := self.reviews(task)) else None,
            redacts=self.info is None or self.info.redacted is not False,
        )

    def reviews(self, task: str) -> ByReviewer:
        """Return each reviewer's last review of a task."""
        if self._suite is None:
            return {}
        if self._reviews is None:
            self._reviews = latest(self._suite)
        return self._reviews.get(task, {})

    def reviewed(self, task: str) -> list[tuple[str, str]]:
        """Return what reviewers said of a task: label, and answers with how many gave each; empty: nothing."""
        return [
            (NAMES[label], ", ".join(f"{answer.replace('_', ' ')} {count}" for answer, count in counts.items()))
            for label, counts in tally(self.reviews(task)).items()
        ]

    def doubted(self, tasks: Sequence[str]) -> dict[str, list[str]]:
        """Return the tasks that reviewers find fault with, and by which labels."""
        return {task: found for task in tasks if (found := doubts(self.reviews(task)))}

    def title(self, task: str) -> str:
        """Return the first line of a task's prompt; empty when there is none."""
        return self._of(task)[0]

    def facts(self, task: str) -> TaskFacts:
        """Return what tables say of a task."""
        return self._of(task)[1]

    def note(self, task: str, title: str, facts: TaskFacts) -> None:
        """Take in what was read of a task elsewhere."""
        self._known[task] = (title, facts)

    def _of(self, task: str) -> tuple[str, TaskFacts]:
        if task not in self._known:
            self.task(task)
        return self._known[task]
