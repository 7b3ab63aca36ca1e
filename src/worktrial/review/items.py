"""What a page shows of one task or candidate: everything a person needs to judge it, cleaned and bounded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from worktrial.analyse.versions import mark_of
from worktrial.errors import WorktrialError
from worktrial.formats.candidate import Candidate, Role
from worktrial.formats.evidence import (
    CoverageRun,
    Decision,
    EnvironmentUse,
    EvidenceRecord,
    LeakProof,
    PutBack,
    Selection,
    Started,
    TestRun,
)
from worktrial.formats.provenance import Provenance, Work
from worktrial.formats.task import ExpectedTests, Task
from worktrial.pages.diffs import FileDiff, parse
from worktrial.pages.text import Excerpt, shorten, title_of
from worktrial.store.cache import digest
from worktrial.store.git import open_repository
from worktrial.store.suite import Suite

PROMPT_CHARACTERS = 40_000
MESSAGE_CHARACTERS = 10_000
OUTPUT_CHARACTERS = 4000
PATCH_BYTES = 2 * 1024**2
_HIDDEN: tuple[Role, ...] = ("test",)
_LANDED: tuple[Role, ...] = ("source", "docs", "config", "other")


@dataclass(frozen=True)
class Diff:
    """One patch taken apart."""

    files: list[FileDiff] = field(default_factory=list)
    problem: str = ""
    """Why it, or part of it, can't be shown; for people, empty when all is well."""

    @property
    def added(self) -> int:
        """Lines added in all."""
        return sum(file.added for file in self.files)

    @property
    def removed(self) -> int:
        """Lines removed in all."""
        return sum(file.removed for file in self.files)


@dataclass(frozen=True)
class Run:
    """One run of the tests, as a row."""

    state: str
    how: str
    passed: int
    failed: int
    other: int
    wall_s: float
    ended: str


@dataclass(frozen=True)
class Evidence:
    """What validation saw."""

    decision: Decision | None
    put_back: PutBack | None
    selection: Selection | None
    coverage: CoverageRun | None
    leaks: LeakProof | None
    runs: list[Run]
    output: Excerpt | None
    """The end of what the tests printed with the solution, where they did not pass."""


@dataclass(frozen=True)
class Item:
    """One task, or a candidate that was turned down."""

    id: str
    of: str
    """Hash of prompt and deciding tests: which state of the item labels are about."""
    title: str
    prompt: Excerpt
    turns: list[Excerpt]
    """Of a conversation; empty for a single prompt."""
    candidate: Candidate | None
    """None: the suite's candidates no longer have it."""
    task: Task | None
    """None: it was turned down."""
    message: Excerpt
    solution: Diff
    tests: Diff
    evidence: Evidence
    provenance: Provenance | None
    work: Work | None

    def expected(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the expected tests by class, empty classes left out."""
        tests = self.task.tests if self.task is not None else ExpectedTests()
        classes = (
            ("fail to pass", tests.fail_to_pass),
            ("missing to pass", tests.missing_to_pass),
            ("skip to pass", tests.skip_to_pass),
            ("pass to pass", tests.pass_to_pass),
        )
        return [(name, ids) for name, ids in classes if ids]


class Items:
    """The items of a suite; candidates are read once."""

    def __init__(self, suite: Suite, ids: Iterable[str]) -> None:
        self._suite = suite
        self._of: dict[str, str] = {}
        wanted = set(ids)
        self._candidates = {one.id: one for one in suite.candidates if one.id in wanted}

    def title(self, item: str) -> str:
        """Return the first line of an item's prompt."""
        candidate = self._candidates.get(item)
        return title_of(candidate.prompt if candidate is not None else self._suite.prompt(item), 110) or item

    def of(self, item: str) -> str:
        """Return the hash of what labels on an item are about, as it was when it was first asked for."""
        if item not in self._of:
            if self._is_task(item):
                mark = mark_of(self._suite, self._suite.task(item))
                self._of[item] = digest(mark.prompt, mark.deciding)[:16]
            else:
                candidate = self._candidates[item]
                self._of[item] = digest(candidate.prompt, *candidate.prompts)[:16]
        return self._of[item]

    def load(self, item: str) -> Item:
        """Return all there is of an item. Raises `FormatError` for files that are there but torn."""
        suite, candidate = self._suite, self._candidates.get(item)
        task = suite.task(item) if self._is_task(item) else None
        prompt = suite.prompt(item) if task is not None or candidate is None else candidate.prompt
        turns = task.prompts if task is not None else candidate.prompts if candidate is not None else ()
        known = [one for one in (task, candidate) if one is not None]
        if task is not None:
            solution, tests = (_patch(suite.patch(item, which)) for which in ("solution", "tests"))
        else:
            solution, tests = (_landed(suite, candidate, roles) for roles in (_LANDED, _HIDDEN))
        source = set(candidate.paths("source")) if candidate is not None else set()
        solution.files.sort(key=lambda file: file.path not in source)  # stable: the code first, then what goes with it
        return Item(
            id=item,
            of=self.of(item),
            title=title_of(prompt, 110) or item,
            prompt=shorten(prompt, PROMPT_CHARACTERS),
            turns=[shorten(turn, PROMPT_CHARACTERS) for turn in turns],
            candidate=candidate,
            task=task,
            message=shorten(candidate.message if candidate is not None else "", MESSAGE_CHARACTERS),
            solution=solution,
            tests=tests,
            evidence=_evidence(suite.evidence(item)),
            provenance=next((one.provenance for one in known if one.provenance is not None), None),
            work=next((one.work for one in known if one.work is not None), None),
        )

    def candidate(self, item: str) -> Candidate | None:
        """Return the candidate of an item, or None when the suite's candidates no longer have it."""
        return self._candidates.get(item)

    def _is_task(self, item: str) -> bool:
        return (self._suite.task_dir(item) / "task.toml").is_file()


def _patch(data: bytes) -> Diff:
    if len(data) <= PATCH_BYTES:
        return Diff(parse(data))
    whole = data[:PATCH_BYTES]
    size = f"{len(data) / 1024**2:,.1f} MiB, of which the first {PATCH_BYTES // 1024**2} are shown"
    return Diff(parse(whole[: whole.rfind(b"\n") + 1]), f"Cut: the patch has {size}.")


def _landed(suite: Suite, candidate: Candidate | None, roles: tuple[Role, ...]) -> Diff:
    """Return part of a candidate's change from the repository it was mined from, which may be gone."""
    if candidate is None:
        return Diff(problem="The suite no longer has this candidate.")
    if not (paths := candidate.paths(*roles)):
        return Diff()
    try:
        git = open_repository(Path(suite.info().repository))
        return _patch(git.diff(candidate.parent, candidate.commit, paths))
    except WorktrialError as error:
        return Diff(problem=f"The change can't be read: {error.message}.")


def _evidence(records: Iterable[EvidenceRecord]) -> Evidence:
    """Return what the last validation of an item saw."""
    last: dict[type, EvidenceRecord] = {}
    runs: list[TestRun] = []
    for record in records:
        if isinstance(record, Started):
            last, runs = {}, []
        elif isinstance(record, TestRun):
            runs.append(record)
        elif not isinstance(record, EnvironmentUse):
            last[type(record)] = record
    tail = next((run.output_tail for run in runs if run.state == "solution" and run.output_tail), "")

    def get(kind: type) -> EvidenceRecord | None:
        return last.get(kind)

    decision, put_back, selection = get(Decision), get(PutBack), get(Selection)
    coverage, leaks = get(CoverageRun), get(LeakProof)
    return Evidence(
        decision=decision if isinstance(decision, Decision) else None,
        put_back=put_back if isinstance(put_back, PutBack) else None,
        selection=selection if isinstance(selection, Selection) else None,
        coverage=coverage if isinstance(coverage, CoverageRun) else None,
        leaks=leaks if isinstance(leaks, LeakProof) else None,
        runs=[_row(run) for run in runs],
        output=shorten(tail, OUTPUT_CHARACTERS) if tail else None,
    )


def _row(run: TestRun) -> Run:
    counts = {status: len(tests) for status, tests in run.outcomes.items()}
    passed = counts.pop("passed", 0)
    failed = sum(counts.pop(status, 0) for status in ("failed", "error", "timeout", "uncollected"))
    how = run.variant or ("shuffled" if run.shuffle_seed is not None else "in order")
    return Run(run.state, how, passed, failed, sum(counts.values()), run.wall_s, run.ended)
