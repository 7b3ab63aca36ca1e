"""What `worktrial demo` does."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

import worktrial
from worktrial.analyse.words import duration
from worktrial.cli.campaign import Campaign
from worktrial.cli.grade_command import conclude
from worktrial.cli.output import talk
from worktrial.cli.validation import Validation
from worktrial.curate.bench import Settings
from worktrial.demo import write_history
from worktrial.demo.scripted import write_agents
from worktrial.errors import RepositoryError, UsageError, WorktrialError
from worktrial.formats.run import AgentConfig, RunRequest, TrialLimits
from worktrial.languages import load
from worktrial.mine.candidates import mine
from worktrial.mine.save import name_of, save
from worktrial.pages.text import plain
from worktrial.report.site import build
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import choose
from worktrial.store.files import write_text
from worktrial.store.git import open_repository
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite

_MARK = ".worktrial-demo"
_COMMITS = 300
_ENOUGH_CANDIDATES = 12
_ENOUGH_TASKS = 6
_TASKS = 12
_TRIALS = 2
_PATIENCE_S = 60.0
"""How long the checkout's own history may take to give enough tasks before the shipped one is taken instead."""


def run(out: Path, repo: Path | None, isolation: str) -> int:
    """Do all of it and say where the report is."""
    started = time.monotonic()
    sandbox = choose(isolation)
    _make_room(out)
    suite = _suite(out, repo, sandbox)
    _say("3. Running agents: the controls, and two scripted ones that replay parts of the landed changes")
    campaign = Campaign(
        suite,
        RunDir(out / "run"),
        RunRequest(
            suite=str(suite.path),
            agents=(
                AgentConfig(name="oracle", kind="oracle"),
                AgentConfig(name="nop", kind="nop"),
                *write_agents(out / "agents", suite),
            ),
            trials=_TRIALS,
            tasks=tuple(task.id for task in suite.tasks()[:_TASKS]),
            limits=TrialLimits(timeout_s=60.0),
            sandbox=isolation,
        ),
        sandbox,
        os.cpu_count() or 1,
        each=False,
    )
    asyncio.run(campaign.work())
    conclude(RunDir(out / "run"), as_json=False)
    _say("4. Writing the report")
    built = build(RunDir(out / "run"), out / "report")
    talk.print(f"\n{plain(built.decision.sentence)}\n", markup=False)
    talk.print(f"It took {duration(time.monotonic() - started)}. Open the report:", markup=False)
    talk.print(f"  {built.index.absolute()}", markup=False, soft_wrap=True)
    talk.print("\nOn your own repository: worktrial mine REPO --suite DIR", markup=False)
    return 0


def _say(text: str) -> None:
    talk.print(f"\n[bold]{text}[/bold]")


def _make_room(out: Path) -> None:
    """Empty the folder of an earlier demo; refuse any other that is not empty."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARK).exists():
            raise UsageError(f"{out} is not empty and holds no demo", hint="choose another folder with --out")
        shutil.rmtree(out)
    write_text(out / _MARK, "Made by `worktrial demo`; removed and made anew by the next one.\n")


def _suite(out: Path, repo: Path | None, sandbox: Sandbox) -> Suite:
    """Return a suite with tasks: of the repository asked for, else of the checkout, else of the shipped history."""
    if repo is not None:
        return _validated(_mined(repo, out / "suite"), sandbox)
    checkout = _checkout()
    if checkout is not None:
        suite = _from_checkout(checkout, out / "suite", sandbox)
        if suite is not None:
            return suite
        shutil.rmtree(out / "suite", ignore_errors=True)
    talk.print("Using the history that comes with worktrial: the made-up project `tally`.", markup=False)
    return _validated(_mined(write_history(out / "tally"), out / "suite"), sandbox)


def _checkout() -> Path | None:
    """Return the git checkout that worktrial runs from, if it does."""
    root = Path(worktrial.__file__).resolve().parents[2]
    if not (root / ".git").exists() or not (root / "pyproject.toml").exists():
        return None
    try:
        open_repository(root)
    except RepositoryError:
        return None
    return root


def _from_checkout(checkout: Path, folder: Path, sandbox: Sandbox) -> Suite | None:
    """Return a suite of the checkout's own history, or None when that has too little that can be proved in time."""
    try:
        suite = _mined(checkout, folder)
        candidates = len(list(suite.candidates))
        if candidates < _ENOUGH_CANDIDATES:
            talk.print(f"This checkout has {candidates} candidates, fewer than the {_ENOUGH_CANDIDATES} wanted.")
            return None
        return _validated(suite, sandbox, patience_s=_PATIENCE_S, least=_ENOUGH_TASKS)
    except TimeoutError:
        talk.print(f"This checkout's own tests take too long for a demo (over {_PATIENCE_S:.0f} s).")
    except WorktrialError as error:
        talk.print(f"This checkout will not do: {error}", markup=False)
    return None


def _mined(repo: Path, folder: Path) -> Suite:
    _say(f"1. Mining {repo.name}: which commits could become tasks?")
    git = open_repository(repo)
    found = mine(git, prefix=name_of(git), language=load("python"), max_commits=_COMMITS)
    suite = Suite(folder)
    save(suite, repo, found)
    talk.print(f"{found.commits_read} commits read, {len(found.candidates)} touch source and tests", markup=False)
    return suite


def _validated(suite: Suite, sandbox: Sandbox, patience_s: float | None = None, least: int = 1) -> Suite:
    """Validate a suite. Raises `TimeoutError` after `patience_s`, `WorktrialError` with fewer than `least` tasks."""
    _say("2. Validating: each change is backed out and its tests are run three times before and after")
    settings = Settings(runs=3, jobs=os.cpu_count() or 1, timeout_s=60.0)
    validation = Validation(suite, sandbox, settings, limit=_TASKS + 4)

    async def work() -> None:
        async with asyncio.timeout(patience_s):
            validation.print_funnel(await validation.run())

    asyncio.run(work())
    tasks = len(suite.task_ids())
    if tasks < least:
        raise WorktrialError(f"only {tasks} tasks could be proved", hint="try another repository: --repo PATH")
    return suite
