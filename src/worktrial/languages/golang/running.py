"""Running the tests of one package's binary until every one of them has an answer, whatever the others do."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worktrial.formats.evidence import Ended, Status
from worktrial.languages.golang import printed, witness
from worktrial.languages.golang.witness import Said, Witness
from worktrial.sandboxes.protocol import Command, Finished, Mount, Workspace

_GO_TEST_TIMEOUT_S = 600
"""What `go test` gives a package, which tests can ask for."""
_MOST_NAMED = 100_000
"""Characters of names on one command line; Linux takes 128 KiB in one argument."""
_RESULTS: Mapping[str, Status] = {"p": "passed", "f": "failed", "s": "skipped"}
_PRINTED: Mapping[str, Status] = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}


@dataclass(frozen=True)
class Runner:
    """How test binaries are run."""

    workspace: Workspace
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    witness: Witness
    flags: tuple[str, ...]
    deadline: float
    """Of `time.monotonic`: what runs then is ended."""
    stop_at: float | None
    """Of `time.monotonic`: no test begins after it."""


@dataclass(frozen=True)
class Unit:
    """Tests of one binary that are run together."""

    binary: Path
    folder: str
    tests: Mapping[str, int]
    """What the witness calls them, by name, in order."""
    canaries: Mapping[str, int]
    telling: bool = True
    """Whether failures are told the moment they happen."""


@dataclass
class Outcome:
    """What a unit's tests did."""

    statuses: dict[str, Status] = field(default_factory=dict)
    """By name."""
    ended: Ended = "completed"
    unproven: set[str] = field(default_factory=set)
    exceptions: dict[str, str] = field(default_factory=dict)
    blocks: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """By name: file, first and last line."""
    evidence: set[str] = field(default_factory=set)
    canaries_passed: list[str] = field(default_factory=list)
    forged: str = ""
    silent: Status | None = None
    """What is to be said of the package's files when no test of it ever began."""
    stopped: bool = False
    """Whether the time was over before the last test."""
    output: list[str] = field(default_factory=list)


async def run(runner: Runner, unit: Unit) -> Outcome:
    """Run a unit's tests; those that a dying process took with it are run again, without the one that killed it."""
    outcome = Outcome()
    rounds = [list(unit.tests)]
    while rounds:
        waiting = [name for name in rounds.pop(0) if name not in outcome.statuses]
        if not waiting:
            continue
        if runner.stop_at is not None and time.monotonic() >= runner.stop_at:
            outcome.stopped = True
            break
        finished = await _process(runner, unit, waiting)
        said = witness.read(finished.report, runner.witness.key, whole=finished.ended == "completed")
        outcome.output.append(printed.for_people(finished.output, unit.canaries))
        left = _take_in(outcome, unit, waiting, said, finished)
        if finished.ended != "completed" or outcome.forged or outcome.silent:
            break
        rounds = [*left, *rounds]
    return outcome


async def _process(runner: Runner, unit: Unit, waiting: Sequence[str]) -> Finished:
    names = "|".join(map(re.escape, [*waiting, *unit.canaries]))
    left_s = max(0.1, runner.deadline - time.monotonic())
    argv = (
        str(unit.binary),
        "-test.paniconexit0",
        "-test.v=test2json",
        f"-test.timeout={max(_GO_TEST_TIMEOUT_S, round(left_s) + 60)}s",
        f"-test.run=^({names})$" if len(names) < _MOST_NAMED else "-test.run=.",
        *runner.flags,
    )
    stop_after_s = None if runner.stop_at is None else runner.stop_at - time.monotonic()
    return await runner.workspace.run(
        Command(
            ("/bin/sh", "-c", 'cd "$0" && exec "$@"', f"./{unit.folder}", *argv),
            timeout_s=left_s,
            env=runner.env,
            stdin=runner.witness.order(stop_after_s),
            mounts=(*runner.mounts, Mount(unit.binary)),
            report=True,
        )
    )


def _take_in(outcome: Outcome, unit: Unit, waiting: Sequence[str], said: Said, finished: Finished) -> list[list[str]]:
    """Take in what one process came to and return what is to be run again, each list in a process of its own."""
    outcome.forged = said.forged
    if said.strayed:
        outcome.evidence.add("stray_failure")
    spoken = printed.verdicts(finished.output)
    died = finished.ended == "completed" and finished.exit_code not in (0, 1)
    panicked = _panicked(unit, said, spoken) if died else []
    for name in waiting:
        status = _status(name, unit.tests[name], said, spoken)
        if name in panicked:
            status = "failed"
        elif died and status == "passed" and unit.tests[name] not in said.ended | said.told:
            status = None  # it may have been about to fail
        if status is not None:
            _settle(outcome, name, unit.tests[name], status, said)
        if "PASS" in spoken.get(name, ()) and status != "passed" and said.results.get(unit.tests[name]) != "p":
            outcome.evidence.add("report_by:print")
    unknown = [name for name in waiting if name not in outcome.statuses]
    if finished.ended != "completed":
        for name in _names(unit, said.running(), unknown):
            outcome.statuses[name] = "timeout" if finished.ended == "timeout" else "error"
        outcome.ended = finished.ended
        return []
    if panicked:
        outcome.exceptions |= dict.fromkeys(panicked, "panic")
        return [list(unknown)]
    if said.refused:
        outcome.stopped = True
        return []
    ran = all(number in said.results for number in unit.canaries.values())
    if not unknown or (ran and finished.exit_code in (0, 1) and not said.running()):
        # What is still unknown then is no test to the runner.
        _check_end(outcome, unit, waiting, said, finished)
        return []
    if not said.begun and len(unknown) == len(waiting):
        # As a file that cannot be imported; a package may also say before its first test that it does not want to run.
        outcome.silent = "skipped" if finished.exit_code == 0 else "uncollected"
        outcome.evidence.add("canary_not_run")
        return []
    return _blame(outcome, unit, unknown, said, progress=len(unknown) < len(waiting))


def _status(name: str, number: int, said: Said, spoken: Mapping[str, set[str]]) -> Status | None:
    """Return what a test did; None: it has no result."""
    if number in said.results:
        return "failed" if "FAIL" in spoken.get(name, ()) else _RESULTS[said.results[number]]
    if name.startswith("Example") and number in said.begun:
        # An example has nothing to tell its result by: the runner compares what it printed.
        shown = spoken.get(name, set())
        return _PRINTED[next(iter(shown))] if len(shown) == 1 else "error" if shown else None
    return None


def _settle(outcome: Outcome, name: str, number: int, status: Status, said: Said) -> None:
    if status == "passed" and number in said.failed | said.told:
        outcome.evidence.add("patched:testing.T")
        status = "failed"
    outcome.statuses[name] = status
    if number in said.strangers:
        outcome.evidence.add("foreign_caller")
    if status == "passed" and number not in said.ended:
        outcome.unproven.add(name)
    if status == "failed":
        outcome.exceptions[name] = "Failed"
    if number in said.lines:
        outcome.blocks[name] = said.lines[number]


def _check_end(outcome: Outcome, unit: Unit, waiting: Sequence[str], said: Said, finished: Finished) -> None:
    """Hold a process that answered for all its tests against its canaries and its exit code."""
    for name, number in unit.canaries.items():
        result = said.results.get(number)
        if result == "p":
            outcome.canaries_passed.append(name)
        elif result is None:
            outcome.evidence.add("canary_not_run")
        elif unit.telling and number not in said.told:
            outcome.evidence.add("patched:testing.Fail")
    if finished.exit_code == 0:
        outcome.evidence.add("report_by:exit_code")
    elif finished.exit_code != 1:
        # The package broke down with no test to blame: none of them is known to have passed.
        outcome.evidence.add("broke_down")
        for name in waiting:
            if outcome.statuses.get(name) == "passed":
                outcome.statuses[name] = "error"


def _blame(outcome: Outcome, unit: Unit, unknown: Sequence[str], said: Said, *, progress: bool) -> list[list[str]]:
    """Settle who ended a process in which tests had begun, and return who is to be run again."""
    suspects = _names(unit, said.running(), unknown)
    rest = [name for name in unknown if name not in suspects]
    if not suspects and progress:
        return [list(unknown)]
    if len(suspects) == 1:
        outcome.statuses[suspects[0]] = "error"
        outcome.exceptions[suspects[0]] = "panic"
        return [rest]
    if len(suspects) > 1:
        # One that had failed is not run again in the hope that it passes.
        failed = [name for name in suspects if unit.tests[name] in said.told]
        outcome.statuses |= dict.fromkeys(failed, "failed")
        outcome.exceptions |= dict.fromkeys(failed, "Failed")
        return [*([name] for name in suspects if name not in failed), rest]
    for name in unknown:
        outcome.statuses[name] = "error"
    return []


def _panicked(unit: Unit, said: Said, spoken: Mapping[str, set[str]]) -> list[str]:
    """Return the tests of a process that died whose body did not come to its end and that it died of.

    What belongs to a test is cleaned up before the runner knows of its panic, so that it may be said to have passed.
    """
    ended_early = {
        name: number
        for name, number in unit.tests.items()
        if number in said.results and number not in said.ended and said.results[number] != "s"
    }
    last = [name for name, number in ended_early.items() if number == said.last]
    return last or [
        name for name, number in ended_early.items() if said.results[number] == "p" and "FAIL" in spoken.get(name, ())
    ]


def _names(unit: Unit, numbers: Sequence[int], among: Sequence[str]) -> list[str]:
    wanted = set(numbers)
    return [name for name in among if unit.tests[name] in wanted]
