"""The workbench of a validation: what all candidates share, and the steps that use a processor, a cache or a record."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worktrial.curate.activity import Activity
from worktrial.curate.changes import changed_lines
from worktrial.curate.putback import put_back
from worktrial.curate.redacting import NeedsSecretError, redact_trees
from worktrial.curate.selection import Measured, plan_for
from worktrial.errors import FormatError, RepositoryError
from worktrial.formats.base import Record, now
from worktrial.formats.candidate import Candidate
from worktrial.formats.evidence import (
    Decision,
    Ended,
    EvidenceRecord,
    PutBack,
    Selection,
    Started,
    State,
    Status,
    TestRun,
)
from worktrial.formats.run import TrialLimits
from worktrial.languages import load
from worktrial.languages.protocol import BuiltEnvironment, Language, TestPlan, TestReport
from worktrial.redaction.people import KnownNames
from worktrial.redaction.redactor import Redactor
from worktrial.sandboxes.layers import change_tree, tree_layer
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.cache import cache_dir, digest
from worktrial.store.files import read_model, write_json
from worktrial.store.git import Git, GitError
from worktrial.store.suite import Suite

_HISTORY = 2000
"""Commits of which it is asked what they changed together."""
KEPT_TAIL = 4000
"""Characters of what a runner printed that evidence keeps."""


@dataclass(frozen=True)
class Settings:
    """How thorough a validation is."""

    runs: int = 3
    """Runs of each state; from the second on, the last is shuffled."""
    jobs: int = 2
    """Test processes at once. Does not change what is decided."""
    timeout_s: float = 600.0
    """Wall-clock limit of one test process."""
    coverage_s: float = 120.0
    """Seconds of the whole suite that are run to find out which tests run the changed lines; related tests go first."""
    thorough: bool = False
    """Check accepted tasks in changed order, alone, in parallel and in shifted surroundings. Does not change what was
    decided before it, so it is not part of `key`."""
    covering_limit: int = 200
    """Most tests taken for running a changed line from files the change did not touch."""
    limits: TrialLimits = field(default_factory=TrialLimits)

    def key(self) -> str:
        """Return a hash of what can change a decision."""
        return digest(
            *(str(self.runs), str(self.timeout_s), str(self.coverage_s), str(self.covering_limit)),
            self.limits.model_dump_json(),
        )


class _CoverageResult(Record):
    """A coverage run as the cache keeps it."""

    ended: Ended
    complete: bool
    files: tuple[str, ...]
    covering: dict[str, dict[str, tuple[int, ...]]]
    tests: int
    wall_s: float


class Bench:
    """What the candidates of one validation share."""

    def __init__(
        self,
        *,
        suite: Suite,
        git: Git,
        sandbox: Sandbox,
        settings: Settings,
        head: str,
        candidates: list[Candidate],
        keys: dict[str, str],
        known: KnownNames | None = None,
        activity: Activity | None = None,
    ) -> None:
        """`known` is who is taken out of what a change added and of what tests print; None: nothing is."""
        self.suite = suite
        self.git = git
        self.settings = settings
        self.keys = keys
        self.test_s = 0.0
        self.sandbox = sandbox
        self._head = head
        self._known = known
        self.activity = activity or Activity()
        self._withheld: dict[str, str] = {}
        self._history: dict[str, tuple[str, ...]] | None = None
        self._texts: dict[str, dict[str, str]] = {}
        self._candidates = candidates
        self.processors = asyncio.Semaphore(settings.jobs)
        self._put_back: dict[str, PutBack] = {}
        self._lost: dict[str, str] = {}
        self._lines: dict[str, dict[str, tuple[int, ...]]] = {}
        self._measuring: dict[str, asyncio.Task[_CoverageResult]] = {}
        self._files: dict[str, frozenset[str]] = {}
        self._records: dict[str, list[EvidenceRecord]] = {}

    # -- records --

    def records(self, candidate: Candidate) -> list[EvidenceRecord]:
        """Return what was recorded of a candidate with the same inputs, in this call or one before."""
        if candidate.id not in self._records:
            found: list[EvidenceRecord] = []
            counts = False
            for record in self.suite.evidence(candidate.id):
                if isinstance(record, Started):
                    counts = record.input_key == self.keys[candidate.id]
                    found = []
                if counts:
                    found.append(record)
            self._records[candidate.id] = found
        return self._records[candidate.id]

    def record(self, candidate: Candidate, record: EvidenceRecord) -> None:
        """Append to a candidate's evidence."""
        records = self.records(candidate)
        self.suite.evidence(candidate.id).append(record)
        records.append(record)

    def decide(self, candidate: Candidate, *, accepted: bool, reason: str, detail: str = "") -> Decision:
        """Return a decision without counts; see `prove` for those with."""
        return Decision(
            input_key=self.keys[candidate.id], accepted=accepted, reason=reason, detail=detail, decided_at=now()
        )

    # -- trees --

    async def prepare(self) -> None:
        """Put every candidate back and find its changed lines, so that one coverage run can serve all on a tree."""
        places = asyncio.Semaphore(self.settings.jobs)

        async def one(candidate: Candidate) -> None:
            async with places:
                await asyncio.to_thread(self._prepare_one, candidate)

        await asyncio.gather(*map(one, self._candidates))

    def _prepare_one(self, candidate: Candidate) -> None:
        try:
            trees = put_back(self.git, candidate, self._head)
            if self._known is not None:
                trees = redact_trees(self.git, candidate, trees, self._known)
            patch = self.git.run(
                *("diff-tree", "-p", "-U0", "--no-renames", "--no-ext-diff", trees.base_tree, trees.solution_tree),
                *("--", *(f":(literal,top){path}" for path in candidate.paths("source"))),
            )
        except GitError as error:
            self._lost[candidate.id] = error.cause
            return
        except NeedsSecretError as error:
            self._withheld[candidate.id] = error.message
            return
        self._put_back[candidate.id] = trees
        language = load(candidate.language)
        found = {}
        for path, lines in changed_lines(patch).items():
            text = self.git.file_text(trees.solution_tree, path) or ""
            if runnable := language.runnable_lines(path, text, lines):
                found[path] = runnable
        self._lines[candidate.id] = found

    def withheld(self, candidate: Candidate) -> str | None:
        """Return why a candidate cannot be stored without what must not be, or None."""
        return self._withheld.get(candidate.id)

    def printed(self, text: str) -> str:
        """Return the end of what tests printed as evidence keeps it."""
        tail = text[-KEPT_TAIL:]
        return tail if self._known is None else Redactor(self._known).text(tail, "output")

    def trees(self, candidate: Candidate) -> PutBack:
        """Return the trees of a candidate. Raises `RepositoryError` when objects of it are missing."""
        if candidate.id in self._lost:
            raise RepositoryError("the change could not be put back", cause=self._lost[candidate.id])
        return self._put_back[candidate.id]

    def tree(self, candidate: Candidate, state: State) -> str:
        """Return the tree of one state of a candidate."""
        trees = self.trees(candidate)
        return {"base": trees.base_tree, "tests": trees.tests_tree, "solution": trees.solution_tree}[state]

    def lines(self, candidate: Candidate) -> Mapping[str, tuple[int, ...]]:
        """Return the changed lines that a test can run, by path."""
        return self._lines[candidate.id]

    def files(self, tree: str) -> frozenset[str]:
        """Return the paths of all files in a tree."""
        if tree not in self._files:
            self._files[tree] = frozenset(self.git.tree_files(tree))
        return self._files[tree]

    def together(self, candidate: Candidate) -> list[tuple[str, ...]]:
        """Return the paths of each of the newest changes on the head, those of the candidate left out."""
        if self._history is None:
            asked = ("log", "-z", "--no-merges", "--name-only", f"-n{_HISTORY}", "--format=%x01%H", self._head)
            try:
                listed = self.git.text(*asked)
            except GitError:  # a partial clone cannot tell
                listed = ""
            self._history = {
                entry[:40]: tuple(path for path in entry[40:].replace("\n", "\0").split("\0") if path)
                for entry in listed.split("\x01")
                if entry
            }
        own = {candidate.commit, *candidate.commits}
        return [paths for commit, paths in self._history.items() if commit not in own]

    def test_texts(self, candidate: Candidate) -> dict[str, str]:
        """Return the text of every test file there is with the solution, by path."""
        tree = self.trees(candidate).solution_tree
        if tree not in self._texts:
            language = load(candidate.language)
            paths = sorted(path for path in self.files(tree) if language.holds_tests(path))
            self._texts[tree] = {path: self.git.file_text(tree, path) or "" for path in paths}
        return self._texts[tree]

    # -- tests --

    async def measure(self, candidate: Candidate, environment: BuiltEnvironment) -> tuple[Measured, bool]:
        """Return what a run of the whole suite on the solution tells, and whether this call started it.

        One run serves every candidate with the same solution tree and environment, in later calls too.
        """
        tree = self.trees(candidate).solution_tree
        wanted: dict[str, set[int]] = {}
        for other in self._candidates:
            if other.id in self._put_back and self._put_back[other.id].solution_tree == tree:
                for path, lines in self._lines[other.id].items():
                    wanted.setdefault(path, set()).update(lines)
        first = self._likely_tests(tree)
        plan = TestPlan(everything=True, lines=wanted, first=first, stop_after_s=self.settings.coverage_s)
        key = digest("2", tree, environment.key, repr(sorted((path, sorted(wanted[path])) for path in wanted)))
        started = key not in self._measuring
        if started:
            self._measuring[key] = asyncio.create_task(self._measure(key, candidate, tree, environment, plan))
        result = await asyncio.shield(self._measuring[key])
        measured = Measured(
            ended=result.ended,
            complete=result.complete,
            files=frozenset(result.files),
            covering=result.covering,
            tests=result.tests,
            wall_s=result.wall_s,
        )
        return measured, started

    def _likely_tests(self, tree: str) -> tuple[str, ...]:
        """Return the test files that candidates on `tree` touched, then those named after the modules they touched."""
        sharing = [
            one for one in self._candidates if one.id in self._put_back and self.trees(one).solution_tree == tree
        ]
        touched = dict.fromkeys(path for one in sharing for path in one.paths("test"))
        language = load(sharing[0].language)
        source = dict.fromkeys(path for one in sharing for path in one.paths("source"))
        return (*touched, *language.related_tests(source, sorted(self.files(tree) - set(touched))))

    async def _measure(
        self, key: str, candidate: Candidate, tree: str, environment: BuiltEnvironment, plan: TestPlan
    ) -> _CoverageResult:
        path = cache_dir() / "coverage" / f"{key}.json"
        if path.exists():
            return read_model(path, _CoverageResult, "cached coverage").model_copy(update={"wall_s": 0.0})
        language = load(candidate.language)
        what = "measuring what tests run"
        report = await self.test(language, tree, environment, plan, self.settings.timeout_s, what=what)
        result = _CoverageResult(
            ended=report.ended,
            # Exit code 2: the time was over before the last test.
            complete=report.ended == "completed" and report.exit_code in (0, 1),
            files=tuple(sorted({test.split("::", 1)[0] for test in report.statuses})),
            covering=report.covering,
            tests=len(report.statuses),
            wall_s=report.wall_s,
        )
        write_json(path, result)
        return result

    async def run(
        self,
        candidate: Candidate,
        environment: BuiltEnvironment,
        selection: Selection,
        *,
        state: State,
        index: int,
        timeout_s: float,
    ) -> TestRun:
        """Return one run of the selected tests in one state, from the evidence when it is there."""
        for record in self.records(candidate):
            if isinstance(record, TestRun) and (record.state, record.variant, record.index) == (state, None, index):
                return record
        tree = self.tree(candidate, state)
        last = index > 0 and index == self.settings.runs - 1
        seed = zlib.crc32(candidate.id.encode()) % 100_000 + index if last else None
        started_at = now()
        plan = plan_for(selection, self.files(tree), seed)
        report = await self.test(load(candidate.language), tree, environment, plan, timeout_s)
        run = TestRun(
            state=state,
            index=index,
            shuffle_seed=seed,
            started_at=started_at,
            wall_s=round(report.wall_s, 3),
            ended=report.ended,
            exit_code=report.exit_code,
            outcomes=by_status(report.statuses),
            output_tail=self.printed(report.output) if report.exit_code != 0 else "",
            unproven=tuple(sorted(report.unproven)),
            evidence=report.evidence,
        )
        self.record(candidate, run)
        return run

    async def test(
        self,
        language: Language,
        tree: str,
        environment: BuiltEnvironment,
        plan: TestPlan,
        timeout_s: float,
        *,
        near: str | None = None,
        what: str = "running tests",
    ) -> TestReport:
        """Run tests on a fresh copy of `tree`; one that is no candidate's is made from a tree `near` it that is."""
        (report,) = await self.test_together(language, tree, environment, [plan], timeout_s, near=near, what=what)
        return report

    async def test_together(
        self,
        language: Language,
        tree: str,
        environment: BuiltEnvironment,
        plans: Sequence[TestPlan],
        timeout_s: float,
        *,
        near: str | None = None,
        what: str = "running tests",
    ) -> list[TestReport]:
        """Run several plans at the same time on one fresh copy of `tree`; `what` is what those who wait are told."""
        anchor = await asyncio.to_thread(self._anchor, near or tree)
        layer = await asyncio.to_thread(tree_layer, self.git, anchor)
        async with self.processors:
            with self.activity.doing(what):
                workspace = await self.sandbox.open((environment.additions, layer.files), self.settings.limits)
                try:
                    await change_tree(workspace, self.git, layer, tree)
                    running = (language.test(workspace, environment, plan, timeout_s) for plan in plans)
                    reports = await asyncio.gather(*running)
                finally:
                    await workspace.close()
        self.test_s += max(report.wall_s for report in reports)
        return reports

    def _anchor(self, tree: str) -> str:
        """Return the tree whose layer a workspace for `tree` starts from: one serves a candidate's three trees."""
        for trees in self._put_back.values():
            if tree in (trees.base_tree, trees.tests_tree, trees.solution_tree):
                return trees.solution_tree
        raise FormatError(f"tree {tree} belongs to no candidate")


def by_status(statuses: Mapping[str, Status]) -> dict[Status, tuple[str, ...]]:
    """Return the tests by what they did."""
    found: dict[Status, list[str]] = {}
    for test, status in statuses.items():
        found.setdefault(status, []).append(test)
    return {status: tuple(tests) for status, tests in found.items()}
