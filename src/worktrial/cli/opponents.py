"""Which two agents are compared, and whether they can be."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from worktrial import agents
from worktrial.analyse.contest import Contest, Contestant, contestant, hold
from worktrial.analyse.reading import read_run
from worktrial.analyse.summary import AgentSummary, RunSummary, summary_of
from worktrial.analyse.versions import Apart, shared_tasks
from worktrial.analyse.words import count, listing
from worktrial.errors import UsageError
from worktrial.formats.config import Rates
from worktrial.store.run import RunDir

_OTHERS: tuple[Apart, ...] = ("other_prompt", "other_tests", "other_way_back")
"""Why tasks of one name are not the same."""


@dataclass(frozen=True)
class Match:
    """Two contestants and what became of it."""

    first: Contestant
    second: Contestant
    contest: Contest
    warnings: tuple[str, ...]

    @property
    def labels(self) -> tuple[str, str]:
        """Names that tell the two apart."""
        names = self.first.name, self.second.name
        if names[0] != names[1]:
            return names
        folders = self.first.run.path.name, self.second.run.path.name
        if folders[0] == folders[1]:
            folders = str(self.first.run.path), str(self.second.run.path)
        return f"{names[0]} ({folders[0]})", f"{names[1]} ({folders[1]})"


def match(first: Path, second: Path | None, names: Sequence[str | None], rates: Rates) -> Match:
    """Return the comparison of an agent of `second` with one of `first`; without `second`, of two of `first`.

    `names` are of none, one (of both runs) or both agents; None is the only contender of its run. Raises `UsageError`
    when it is not clear who is meant or there is nothing to compare, `FormatError` when a run cannot be read.
    """
    if len(names) > 2:
        raise UsageError("--agent was given more than twice", hint="two agents are compared at a time")
    runs = [RunDir.open(first)]
    if second is not None:
        runs.append(RunDir.open(second))
    read = [read_run(run) for run in runs]
    summaries = [summary_of(files, agents.CONTROLS) for files in read]
    if len(runs) == 1:
        chosen = _two_of(runs[0], summaries[0], names)
        pair = [contestant(read[0], summaries[0], agent, rates) for agent in chosen]
    else:
        given = [names[0] if names else None, names[-1] if names else None]
        pair = [
            contestant(files, summary, _one_of(files.run, summary, name), rates)
            for files, summary, name in zip(read, summaries, given, strict=True)
        ]
    return _held(*pair)


def _held(first: Contestant, second: Contestant) -> Match:
    if first.run.path.resolve() == second.run.path.resolve() and first.name == second.name:
        raise UsageError(f"{first.name} of {first.run.path} would be compared with itself", hint="name another --agent")
    changed, warnings = _changed(first, second)
    contest = hold(first, second, changed)
    if not contest.shared:
        raise UsageError(*_nothing_shared(first, second, contest))
    return Match(first, second, contest, warnings)


def _nothing_shared(first: Contestant, second: Contestant, contest: Contest) -> tuple[str]:
    names = set(first.tasks) & set(second.tasks)
    if not names:
        why = f"the runs have no task in common ({listing(sorted(first.tasks), 2)}; {listing(sorted(second.tasks), 2)})"
    elif names.issubset(contest.changed):
        why = f"all {count(len(names), 'task')} of the same name ask something else in the other suite"
    else:
        why = "no task is graded for both"
    return (f"{first.name} and {second.name} cannot be compared: {why}",)


def _one_of(run: RunDir, summary: RunSummary, name: str | None) -> AgentSummary:
    if name is not None:
        return _named(run, summary, name)
    contenders = summary.contenders
    if len(contenders) == 1:
        return contenders[0]
    known = [agent.name for agent in (contenders or summary.agents)]
    raise UsageError(
        f"{run.path} has {count(len(contenders), 'contender')}: which one is meant?",
        hint=f"give --agent NAME, one of {listing(known, 9)}",
    )


def _two_of(run: RunDir, summary: RunSummary, names: Sequence[str | None]) -> list[AgentSummary]:
    if len(names) == 2:
        return [_one_of(run, summary, name) for name in names]
    contenders = [agent for agent in summary.agents if not agent.control]
    if len(contenders) != 2 or names:
        known = listing([agent.name for agent in summary.agents], 9)
        raise UsageError(
            f"{run.path} has {count(len(contenders), 'contender')}: which two are meant?",
            hint=f"give --agent NAME twice, out of {known}; or name a second run",
        )
    return contenders


def _named(run: RunDir, summary: RunSummary, name: str) -> AgentSummary:
    known = {agent.name: agent for agent in summary.agents}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UsageError(
            f"{run.path} has no agent {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"it has {listing(sorted(known), 9)}",
        )
    return known[name]


def _changed(first: Contestant, second: Contestant) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the tasks of both runs that ask something else in the second, and warnings for people."""
    found = shared_tasks(first.run, second.run)
    changed = tuple(task for task, why in found.apart.items() if why in _OTHERS)
    if "not_recorded" in found.apart.values():
        return changed, (
            "The suites differ, and a run does not say what its tasks were: tasks of the same name are taken to be the "
            "same.",
        )
    return changed, () if found.same_suite else (found.sentence(),)
