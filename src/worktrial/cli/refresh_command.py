"""What `worktrial refresh` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from worktrial.analyse.reviews import retired_by_reviewers
from worktrial.analyse.versions import mark_of
from worktrial.cli.output import print_funnel, print_json, talk, warn_of
from worktrial.cli.progress import same_command, working
from worktrial.cli.session_logs import Log, asked_of, read_wanted, wanted_logs
from worktrial.cli.validation import REASONS as VALIDATION
from worktrial.cli.validation import Validation
from worktrial.curate.bench import Settings
from worktrial.curate.rolling import REASONS, cannot_back_out, merged, next_new, sort_out
from worktrial.errors import FormatError, UsageError
from worktrial.formats.base import now
from worktrial.formats.suite import RefreshPlan, SessionsAsked, SuiteChange, SuiteInfo
from worktrial.languages import load
from worktrial.mine.candidates import mine
from worktrial.mine.save import language_of, prefix_of, save
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import choose
from worktrial.store.git import Git, open_repository
from worktrial.store.refresh import Refresh
from worktrial.store.suite import Suite

_MAX_COMMITS = 5000


def refresh(given: Mapping[str, Any]) -> int:
    """Refresh a suite and return the exit code: 0 done, 1 no task is left, 130 stopped."""
    suite = Suite.open(given["suite"])
    git = open_repository(Path(suite.info().repository))
    work = Refresh(suite)
    plan = _plan(suite, git, work, given)
    if plan is None:
        talk.print(f"{suite.path} is of that head already: version {suite.info().version}", markup=False)
        if given["as_json"]:
            print_json(_json(suite, None))
        return 0
    logs = _logs(suite, plan, given)
    if work.plan() is None:
        work.begin(plan)
    sandbox = choose(given["sandbox"], given["runtime"])
    warn_of(sandbox)
    settings = Settings(runs=given["runs"], jobs=given["jobs"], timeout_s=given["timeout"], thorough=given["thorough"])
    try:
        _mine(suite, git, plan, logs)
        change = work.outcome() or asyncio.run(_validate(suite, plan, sandbox, settings))
        work.finish(plan, change)
    except KeyboardInterrupt:
        talk.print(f"\nStopped. Nothing is lost; go on with:\n  {same_command()}", markup=False, soft_wrap=True)
        return 130
    _show(suite, change)
    if given["as_json"]:
        print_json(_json(suite, change))
    return 0 if suite.task_ids() else 1


def _plan(suite: Suite, git: Git, work: Refresh, given: Mapping[str, Any]) -> RefreshPlan | None:
    """Return the plan that was begun, or a new one; None: the suite is of that head already. Raises `UsageError`."""
    begun, info = work.plan(), suite.info()
    head = _resolve(git, given["head"])
    if begun is not None:
        if given["head"] and head != begun.head:
            raise UsageError(
                f"a refresh of {suite.path} to {begun.head[:12]} was begun and is not finished",
                hint="finish it first: the same command with that --head, or without",
            )
        return begun
    if head == info.head:
        return None
    if git.succeeds("merge-base", "--is-ancestor", head, info.head):
        raise UsageError(
            f"{head[:12]} is older than the suite's head {info.head[:12]}",
            hint="give a newer --head, or update the clone: git pull",
        )
    if not (tasks := suite.tasks()):
        raise FormatError(f"{suite.path} has no tasks", hint="validate it first: worktrial validate SUITE")
    return RefreshPlan(
        version=info.version + 1,
        old_head=info.head,
        head=head,
        marks={task.id: mark_of(suite, task) for task in tasks},
        known=tuple(one.id for one in suite.candidates),
        limit=given["limit"],
        keep_on_parent=given["keep_on_parent"],
        sessions=_sessions(info, given["sessions"]),
        begun_at=now(),
    )


def _sessions(info: SuiteInfo, given: Sequence[str]) -> SessionsAsked | None:
    """Return the sessions to ask with: those the suite was mined with, or what was given in their place."""
    if not given:
        return info.sessions
    if "none" in given:
        return None
    before = info.sessions
    return asked_of(given, only=bool(before and before.only), consolidate=bool(before and before.consolidate))


def _logs(suite: Suite, plan: RefreshPlan, given: Mapping[str, Any]) -> list[Log]:
    """Return the logs to read, before anything is changed; none where the history was read. Raises `UsageError`."""
    info = suite.info()
    if plan.sessions is None or info.head == plan.head:
        return []
    return wanted_logs(Path(info.repository), plan.sessions.paths, yes=given["yes"])


def _resolve(git: Git, revision: str | None) -> str:
    """Return the full id of a commit. Raises `UsageError`."""
    name = f"{revision or 'HEAD'}^{{commit}}"
    if not git.succeeds("rev-parse", "--verify", "--quiet", "--end-of-options", name):
        raise UsageError(f"{git.git_dir} has no commit {revision!r}", hint="give a branch, a tag or a commit id")
    return git.text("rev-parse", "--verify", "--end-of-options", name).splitlines()[-1]


def _mine(suite: Suite, git: Git, plan: RefreshPlan, logs: Sequence[Log]) -> None:
    """Read the history up to the new head, unless that was done before the refresh was stopped."""
    info = suite.info()
    if info.head == plan.head:
        return
    repository = Path(info.repository)
    wanted = None if plan.sessions is None else read_wanted(logs, plan.sessions, repository)
    with talk.status("reading commits") as status:
        mined = mine(
            git,
            prefix=prefix_of(suite, git),
            language=load(language_of(suite, git)),
            max_commits=_MAX_COMMITS,
            revision=plan.head,
            wanted=wanted,
            redact=info.redacted is not False,
            progress=status.update,
        )
    candidates = merged(plan, suite.candidates, mined.candidates, git)
    mined = replace(mined, candidates=tuple(candidates))
    save(suite, repository, mined, redacted=info.redacted is not False, sessions=plan.sessions)
    new = sum(one.id not in plan.known for one in candidates)
    talk.print(f"{plan.old_head[:12]} to {plan.head[:12]}: {new} new candidates", markup=False)


async def _validate(suite: Suite, plan: RefreshPlan, sandbox: Sandbox, settings: Settings) -> SuiteChange:
    """Validate the tasks on the new head, then new candidates, and return what that comes to."""
    candidates = [one for one in suite.candidates if one.id in plan.marks]
    reviewed_out = {task: why for task, why in retired_by_reviewers(suite).items() if task in plan.marks}
    lost: dict[str, str] = {}
    if not plan.keep_on_parent:
        with working("Backing out", len(candidates)) as work:
            lost = await cannot_back_out(suite, plan, candidates, lambda: work.done(None))
    for task, why in lost.items():
        talk.print(f"· {task} no longer backs out: {why}", markup=False, soft_wrap=True)
    again = {one.id for one in candidates} - set(lost) - set(reviewed_out)
    if again:
        talk.print(f"{len(again)} tasks are validated again on the new head", markup=False)
        await Validation(suite, sandbox, settings, only=again).run()
    tried: set[str] = set()
    while new := next_new(suite, plan, tried):
        await Validation(suite, sandbox, settings, only=set(new)).run()
        tried.update(new)
    return sort_out(suite, plan, settings, lost, reviewed_out)


def _show(suite: Suite, change: SuiteChange) -> None:
    words = VALIDATION | REASONS
    rows = [
        ("came", len(change.came), "landed since, and accepted"),
        ("stayed", len(change.stayed), "the same prompt and deciding tests"),
        ("changed", len(change.changed), "stayed, with other deciding tests or put back in another way"),
        ("as before", len(change.as_before), "of an older head: retired by reviewers, or not decided on this machine"),
    ]
    rows += [(f"went: {reason}", count, words.get(reason, "")) for reason, count in _reasons(change).items()]
    print_funnel(f"version {change.version}", rows)
    for task, why in sorted(change.went.items()):
        talk.print(f"retired: {task}, {why}", markup=False, soft_wrap=True)
    talk.print(f"{len(suite.task_ids())} tasks in version {change.version} of {suite.path}", markup=False)


def _reasons(change: SuiteChange) -> dict[str, int]:
    return dict(Counter(change.went.values()).most_common())


def _json(suite: Suite, change: SuiteChange | None) -> dict[str, Any]:
    info = suite.info()
    found: dict[str, Any] = {"version": info.version, "head": info.head, "tasks": len(suite.task_ids())}
    if change is None:
        return found | {"came": 0, "stayed": 0, "changed": 0, "as_before": 0, "went": {}}
    counts = {name: len(getattr(change, name)) for name in ("came", "stayed", "changed", "as_before")}
    return found | counts | {"went": _reasons(change)}
