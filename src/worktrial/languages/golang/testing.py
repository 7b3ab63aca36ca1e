"""Running Go tests in a workspace: test binaries compiled with a witness in them, and its account of what they did."""

from __future__ import annotations

import posixpath
import random
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from worktrial.formats.evidence import Ended, Status
from worktrial.languages.golang import canaries, kept, measuring, telling, toolchains, witness
from worktrial.languages.golang.activation import activation
from worktrial.languages.golang.compiling import Compiled, Workbench, canary_path, compile_tests, id_of
from worktrial.languages.golang.packages import Found, Package, Shop, TestFile, find
from worktrial.languages.golang.running import Outcome, Runner, Unit, run
from worktrial.languages.protocol import Activation, BuiltEnvironment, TestPlan, TestReport
from worktrial.sandboxes.protocol import Mount, Workspace
from worktrial.store.scratch import scratch_folder

_LEAST_COMPILING_S = 900.0
"""What compiling may take at least; it does not count against the tests' own limit."""
_TOGETHER = 12
"""Packages that are compiled at a time where the time may not suffice for all."""


async def test(workspace: Workspace, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float) -> TestReport:
    """Run the tests of a plan. `timeout_s` is for the tests; compiling them has a limit of its own."""
    started = time.monotonic()
    active = activation(environment, workspace)
    with scratch_folder() as scratch, kept.build_cache() as cache:
        folder = scratch / "shared"
        folder.mkdir()
        # Go's own scratch files would count as what the workspace holds.
        env = {**active.env, "GOTMPDIR": str(folder), "XDG_CACHE_HOME": str(cache)}
        shop = Shop(workspace, env, (*active.mounts, Mount(cache, writable=True)), folder)
        found = await find(shop, plan)
        session = await _session(shop, environment, plan, found, active)
        await session.run_all(timeout_s)
    return session.report(time.monotonic() - started)


async def _session(
    shop: Shop, environment: BuiltEnvironment, plan: TestPlan, found: Found, active: Activation
) -> _Session:
    names, canary = witness.make(), canaries.make(random.SystemRandom())
    counted = await measuring.counted(shop, plan.lines, names)
    numbers: dict[str, int] = {}
    for package in found.packages:
        ids = [id_of(file.path, name) for file in package.files for name in file.tests]
        ids += [id_of(canary_path(package, canary), name) for name in canary.tests]
        for one in ids:
            numbers.setdefault(one, len(numbers))
    root = toolchains.installed_root(environment.folder)
    told = telling.overlay(root)
    bench = Workbench(shop, names, canary, root, numbers, counted, backwards=plan.reverse, telling=told or {})
    session = _Session(bench, plan, found, active)
    if told is None:
        session.output.append(f"worktrial: failures are not told at once: {root}/src/testing is not as it is known\n")
    return session


@dataclass
class _Session:
    """A run in the making."""

    bench: Workbench
    plan: TestPlan
    found: Found
    active: Activation
    statuses: dict[str, Status] = field(default_factory=dict)
    covering: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    exceptions: dict[str, str] = field(default_factory=dict)
    unproven: set[str] = field(default_factory=set)
    evidence: set[str] = field(default_factory=set)
    sources: dict[str, str] = field(default_factory=dict)
    canaries_passed: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    ended: Ended = "completed"
    forged: str = ""
    stopped: bool = False

    async def run_all(self, timeout_s: float) -> None:
        """Compile and run, all at once, or in parts where the time may not suffice for all."""
        self.output.append(self.found.said)
        self.statuses |= dict.fromkeys(self.found.unlisted, "uncollected")
        units = self._units()
        compiled: dict[str, Path] = {}
        tried: set[str] = set()
        left_s, stop_after_s = timeout_s, self.plan.stop_after_s
        at_once = len(units) if stop_after_s is None else _TOGETHER
        for at in range(0, len(units), max(1, at_once)):
            part = units[at : at + at_once]
            fresh = list({one.package.folder: one.package for one in part if one.package.folder not in tried}.values())
            tried |= {package.folder for package in fresh}
            if fresh:
                limit_s = max(_LEAST_COMPILING_S, timeout_s) if at == 0 or stop_after_s is None else stop_after_s
                made = await compile_tests(self.bench, fresh, limit_s)
                compiled |= made.binaries
                if not self._take_compiled(made, fresh, may_stop=at > 0 and stop_after_s is not None):
                    return
                if at and stop_after_s is not None:
                    stop_after_s -= made.wall_s
            began = time.monotonic()
            if not await self._run_part(part, compiled, left_s, stop_after_s):
                return
            spent_s = time.monotonic() - began
            left_s -= spent_s
            stop_after_s = None if stop_after_s is None else stop_after_s - spent_s

    def _take_compiled(self, made: Compiled, packages: Sequence[Package], *, may_stop: bool) -> bool:
        """Take in what compiling came to; tell whether to go on."""
        self.output.append(made.output)
        if made.ended == "timeout" and may_stop:
            self.stopped = True
            return False
        if made.ended != "completed":
            self.ended = made.ended
            return False
        for package in packages:
            for file in package.files:
                self.sources[file.path] = file.sha256
                if package.folder not in made.binaries and self._wants(file):
                    self.statuses[file.path] = "uncollected"
        return True

    async def _run_part(
        self, part: Sequence[_Wanted], compiled: dict[str, Path], left_s: float, stop_after_s: float | None
    ) -> bool:
        """Run units one after the other; tell whether to go on."""
        now = time.monotonic()
        runner = Runner(
            workspace=self.bench.shop.workspace,
            env={**self.active.env, "TZ": "UTC", **self.plan.env},
            mounts=self.active.mounts,
            witness=self.bench.witness,
            flags=self._flags(),
            deadline=now + left_s,
            stop_at=None if stop_after_s is None else now + stop_after_s,
        )
        for wanted in part:
            if wanted.package.folder not in compiled:
                continue
            if time.monotonic() >= runner.deadline:
                self.ended = "timeout"
                return False
            outcome = await run(runner, self._unit(wanted, compiled[wanted.package.folder]))
            self._take_in(wanted, outcome)
            if outcome.ended != "completed" or outcome.forged or outcome.stopped:
                return False
        return True

    def _flags(self) -> tuple[str, ...]:
        flags = [] if self.plan.shuffle_seed is None else [f"-test.shuffle={self.plan.shuffle_seed + 1}"]
        return tuple([*flags, "-test.parallel=1"] if self.bench.counted else flags)

    def _unit(self, wanted: _Wanted, binary: Path) -> Unit:
        numbers, canary = self.bench.numbers, self.bench.canary
        path = canary_path(wanted.package, canary)
        return Unit(
            binary=binary,
            folder=wanted.package.folder,
            tests={name: numbers[test] for test, name in wanted.tests.items()},
            canaries={name: numbers[id_of(path, name)] for name in canary.tests},
            telling=bool(self.bench.telling),
        )

    def _take_in(self, wanted: _Wanted, outcome: Outcome) -> None:
        ids = {name: test for test, name in wanted.tests.items()}
        self.statuses |= {ids[name]: status for name, status in outcome.statuses.items()}
        if outcome.silent is not None:
            self.statuses |= dict.fromkeys({test.split("::", 1)[0] for test in wanted.tests}, outcome.silent)
        self.unproven |= {ids[name] for name in outcome.unproven}
        self.exceptions |= {ids[name]: kind for name, kind in outcome.exceptions.items()}
        for name, blocks in outcome.blocks.items():
            if lines := measuring.lines_run(blocks, self.bench.counted, self.plan.lines):
                self.covering[ids[name]] = lines
        self.evidence |= outcome.evidence
        self.canaries_passed += outcome.canaries_passed
        self.output += outcome.output
        self.forged = self.forged or outcome.forged
        self.stopped = self.stopped or outcome.stopped
        self.ended = outcome.ended if self.ended == "completed" else self.ended

    def _wants(self, file: TestFile) -> bool:
        plan = self.plan
        return (
            plan.everything or file.path in plan.files or any(test.split("::", 1)[0] == file.path for test in plan.ids)
        )

    def _units(self) -> list[_Wanted]:
        """Return the tests of the plan by package, in the order in which they are to run."""
        found = [_Wanted(package, _selected(package, self.plan)) for package in self.found.packages]
        units = [one for one in found if one.tests or any(self._wants(file) for file in one.package.files)]
        if self.plan.shuffle_seed is not None:
            random.Random(self.plan.shuffle_seed).shuffle(units)  # noqa: S311 - an order, no secret
        elif self.plan.reverse:
            units.reverse()
        first = [part for path in _folders(self.plan.first) for part in units if part.package.folder == path]
        early = [one.only(self.plan.first) for one in first]
        rest = [part for part in (one.without(self.plan.first) for one in first) if part.tests]
        return [*early, *rest, *(one for one in units if one not in first)]

    def report(self, wall_s: float) -> TestReport:
        """Return what all of it came to."""
        bad = {"failed", "error", "uncollected", "timeout"}
        if not self.statuses:
            exit_code = 5
        elif self.stopped:
            exit_code = 2
        else:
            exit_code = int(bool(bad & set(self.statuses.values())))
        ended: Ended = "crashed" if self.ended == "completed" and self.forged else self.ended
        return TestReport(
            ended=ended,
            exit_code=exit_code if self.ended == "completed" else None,
            statuses=self.statuses,
            covering=self.covering,
            output="".join(self.output),
            wall_s=wall_s,
            forged=self.forged,
            evidence=tuple(sorted(self.evidence)),
            unproven=frozenset(self.unproven),
            sources=self.sources,
            exceptions=self.exceptions,
            canaries_passed=tuple(self.canaries_passed),
        )


@dataclass(frozen=True)
class _Wanted:
    """Tests of one package that are wanted."""

    package: Package
    tests: dict[str, str]
    """Their names, by id."""

    def only(self, files: Collection[str]) -> _Wanted:
        return replace(self, tests={test: name for test, name in self.tests.items() if _file(test) in files})

    def without(self, files: Collection[str]) -> _Wanted:
        return replace(self, tests={test: name for test, name in self.tests.items() if _file(test) not in files})


def _file(test: str) -> str:
    return test.split("::", 1)[0]


def _folders(files: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(posixpath.dirname(path) or "." for path in files))


def _selected(package: Package, plan: TestPlan) -> dict[str, str]:
    """Return the tests of a package that a plan wants: name by id, in the runner's own order."""
    ids = set(plan.ids)
    return {
        id_of(file.path, name): name
        for file in package.files
        for name in file.tests
        if plan.everything or file.path in plan.files or id_of(file.path, name) in ids
    }
