"""The rolling set: which tasks of a suite stand on a newer head, and what comes, stays and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from worktrial.analyse.ledger import Ledger, still_decides
from worktrial.analyse.versions import mark_of
from worktrial.curate.bench import Settings
from worktrial.curate.putback import put_back
from worktrial.curate.validate import PASSING, decided, input_key
from worktrial.errors import StorageError, WorktrialError
from worktrial.formats.base import now
from worktrial.formats.candidate import Candidate
from worktrial.formats.suite import RefreshPlan, SuiteChange
from worktrial.store.git import Git, objects_dir, open_repository, scratch_repository
from worktrial.store.scratch import scratch_folder
from worktrial.store.suite import Suite

REASONS = {
    "no_longer_backs_out": "the change does not come out of the newer head without a trace",
    "not_in_history": "the newer head's history does not have its commit",
}
"""Why a task goes, besides the reasons of validation."""


async def cannot_back_out(
    suite: Suite, plan: RefreshPlan, candidates: Iterable[Candidate], done: Callable[[], None]
) -> dict[str, str]:
    """Return which tasks that were backed out of the old head do not come out of the new one, and why.

    It takes no test: those need not be run on the new head. `done` is called after each task.
    """
    wanted = [one for one in candidates if one.id in plan.marks and plan.marks[one.id].mode == "backout"]
    found: dict[str, str] = {}
    repository = open_repository(Path(suite.info().repository))
    with scratch_folder() as scratch:
        git = scratch_repository(scratch / "rolling.git", objects_dir(repository))
        for candidate in wanted:
            why = await asyncio.to_thread(_why_not, git, candidate, plan.head)
            if why:
                found[candidate.id] = why
            done()
    return found


def _why_not(git: Git, candidate: Candidate, head: str) -> str:
    """Return why a change does not back out; empty when it does, or when its objects are missing: validation tells."""
    try:
        trees = put_back(git, candidate, head)
    except StorageError:
        raise
    except WorktrialError:
        return ""
    return "" if trees.mode == "backout" else trees.detail or "it is put back on its parent"


def merged(plan: RefreshPlan, before: Iterable[Candidate], mined: Iterable[Candidate], git: Git) -> list[Candidate]:
    """Return the candidates of the new version, newest first.

    One that was there before stays as it was, so that no task's prompt changes by itself. Of those that were not found
    again (the reading does not reach so far back), those of tasks stay while the head's history has their commit.
    """
    old = {one.id: one for one in before}
    found = {one.id: old.get(one.id, one) for one in mined}
    for task in plan.marks:
        missing = task not in found and task in old
        if missing and git.succeeds("merge-base", "--is-ancestor", old[task].commit, plan.head):
            found[task] = old[task]
    return sorted(found.values(), key=lambda one: one.landed_at, reverse=True)


def sort_out(
    suite: Suite, plan: RefreshPlan, settings: Settings, lost: dict[str, str], reviewed_out: dict[str, str]
) -> SuiteChange:
    """Return what the new version comes to.

    `lost` are those that no longer back out, `reviewed_out` those that reviewers retired, each with the reason.
    """
    candidates, ledger = {one.id: one for one in suite.candidates}, Ledger(suite)
    stayed: list[str] = []
    changed: list[str] = []
    as_before: dict[str, str] = {}
    went: dict[str, str] = {}
    details: dict[str, str] = {}
    for task, mark in sorted(plan.marks.items()):
        if task in reviewed_out:
            as_before[task] = reviewed_out[task]
        elif task not in candidates:
            went[task] = "not_in_history"
        elif task in lost:
            went[task], details[task] = "no_longer_backs_out", lost[task]
        else:
            reason, detail = _verdict(suite, candidates[task], plan, settings, ledger)
            if not reason:
                same = mark_of(suite, suite.task(task)).model_copy(update={"base_tree": mark.base_tree}) == mark
                (stayed if same else changed).append(task)
            elif reason in (*PASSING, "not_decided"):
                as_before[task] = reason
            else:
                went[task], details[task] = reason, detail
    came = sorted(set(suite.task_ids()) - set(plan.marks))
    return SuiteChange(
        version=plan.version,
        head=plan.head,
        at=now(),
        came=tuple(came),
        stayed=tuple(stayed),
        changed=tuple(changed),
        as_before=as_before,
        went=went,
        details=details,
    )


def _verdict(
    suite: Suite, candidate: Candidate, plan: RefreshPlan, settings: Settings, ledger: Ledger
) -> tuple[str, str]:
    """Return reason and detail for which a task can't stay; empty when it can."""
    info = suite.info().model_copy(update={"head": plan.head})
    decision = decided(suite, candidate, input_key(candidate, info, settings))
    if decision is None:
        return "not_decided", ""
    if not decision.accepted:
        return decision.reason, decision.detail
    task = suite.task(candidate.id)
    if not still_decides(task, ledger.quarantined(task)):
        return "unstable", "all tests that decide are in quarantine: they failed with the landed change"
    return "", ""


def next_new(suite: Suite, plan: RefreshPlan, tried: Collection[str]) -> list[str]:
    """Return the ids of new candidates to try next, newest first: as many as may still come in."""
    came = set(suite.task_ids()) - set(plan.marks)
    left = None if plan.limit is None else max(0, plan.limit - len(came))
    new = [one.id for one in suite.candidates if one.id not in plan.known and one.id not in tried]
    return new[:left]
