"""What `worktrial run` does, apart from its options so that `--help` imports nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from worktrial.cli.campaign import Campaign, check_names
from worktrial.cli.configuration import NAME, configured_agents, read_configuration
from worktrial.cli.contenders import contender, with_verify
from worktrial.cli.grade_command import conclude
from worktrial.cli.output import talk, warn_of
from worktrial.cli.progress import same_command
from worktrial.cli.retired import print_retired
from worktrial.errors import FormatError, UsageError
from worktrial.formats.config import Configuration, RunDefaults
from worktrial.formats.run import AgentConfig, RunRequest, TrialLimits
from worktrial.run.plan import controls_for, quarantine
from worktrial.sandboxes.select import choose
from worktrial.store.refresh import Refresh
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite


def run(given: Mapping[str, Any]) -> int:
    """Run what the options ask for and return the exit code: 0 done, 3 trials left, 130 stopped."""
    suite = Suite.open(given["suite"])
    out = RunDir(given["out"])
    configuration = read_configuration(given["config"])
    given = {**given, **_settled(given, configuration.run)}
    request = _request(suite, out, configuration, given)
    if given["dry_run"]:
        from worktrial.cli.dry_run import dry_run

        return dry_run(out, request, given["jobs"], as_json=given["as_json"])
    sandbox = choose(given["sandbox"], given["runtime"])
    warn_of(sandbox)
    campaign = Campaign(suite, out, request, sandbox, given["jobs"])
    try:
        progress = asyncio.run(campaign.work(retry_infrastructure=given["retry_infrastructure"]))
        conclude(out, as_json=given["as_json"])
    except (KeyboardInterrupt, asyncio.CancelledError):
        talk.print(
            f"\nStopped. Finished trials are kept; go on with:\n  {same_command()}", markup=False, soft_wrap=True
        )
        return 130
    if progress.left:
        why = "stopped" if campaign.stopped else "a budget is spent"
        talk.print(
            f"{progress.left} trials left ({why}); go on with:\n  {same_command()}", markup=False, soft_wrap=True
        )
        return 130 if campaign.stopped else 3
    talk.print(f"report: worktrial report {given['out']} --out DIR", markup=False, soft_wrap=True)
    return 0


def _settled(given: Mapping[str, Any], defaults: RunDefaults) -> dict[str, Any]:
    """Return the settings that both the command line and `[run]` can give: the command line goes first."""
    settings = {
        "trials": defaults.trials,
        "jobs": defaults.jobs or os.cpu_count() or 1,
        "budget": defaults.budget_usd,
        "tokens": defaults.budget_tokens,
        "trial_budget": defaults.trial_budget_usd,
        "timeout": defaults.timeout_s,
        "steps": defaults.steps,
        "sandbox": defaults.sandbox,
        "runtime": defaults.runtime,
    }
    return {name: default if given[name] is None else given[name] for name, default in settings.items()}


def _request(suite: Suite, out: RunDir, configuration: Configuration, given: Mapping[str, Any]) -> RunRequest:
    configured = configured_agents(configuration)
    overrides = {name: given[name] for name in ("base_url", "api", "key_env")}
    configs = tuple(contender(spec, configured, overrides) for spec in given["specs"] or configured)
    if not configs:
        raise UsageError(
            "no agent was named",
            hint=f"give --agent NAME, or describe agents in {NAME}: worktrial init writes one",
        )
    if given["with_verify"]:
        configs = with_verify(configs)
    check_names(configs)
    if Refresh(suite).plan() is not None:
        raise FormatError(
            f"a refresh of {suite.path} is not finished, and its tasks are of two versions",
            hint=f"finish it first: worktrial refresh {suite.path}",
        )
    ids = suite.task_ids()
    if unknown := sorted(set(given["tasks"]) - set(ids)):
        raise UsageError(f"the suite has no task {unknown[0]!r}", hint=f"tasks are folders of {suite.path / 'tasks'}")
    if not ids:
        raise FormatError(f"{suite.path} has no tasks", hint="validate it first: worktrial validate SUITE")
    chosen = _without_hollow(suite, out, [task for task in ids if not given["tasks"] or task in given["tasks"]])
    return RunRequest(
        suite=str(suite.path),
        agents=configs,
        controls=_controls(out, configs, given),
        trials=given["trials"],
        tasks=tuple(chosen),
        budget_usd=given["budget"],
        budget_tokens=given["tokens"],
        limits=TrialLimits(
            timeout_s=given["timeout"],
            steps=given["steps"],
            cost_usd=given["trial_budget"],
            tokens=configuration.run.trial_tokens,
        ),
        gateway=configuration.gateway,
        replay=None if given["replay"] is None else str(RunDir.open(given["replay"]).path),
        sandbox=given["sandbox"],
        runtime=given["runtime"],
    )


def _controls(out: RunDir, configs: tuple[AgentConfig, ...], given: Mapping[str, Any]) -> tuple[AgentConfig, ...]:
    """Return the controls to run beside the agents; a run that was begun keeps those it has."""
    if given["no_controls"]:
        return ()
    if not out.exists:
        return controls_for(configs)
    begun = out.request()
    if not begun.controls and not {"oracle", "nop"} <= {agent.kind for agent in begun.agents}:
        talk.print("this run was begun without all controls, and goes on without", markup=False)
    return begun.controls


def _without_hollow(suite: Suite, out: RunDir, ids: list[str]) -> list[str]:
    """Return the tasks that have a test left to decide by and were not retired, and say which are left out."""
    aside = quarantine(suite, out)
    for task in sorted({*aside.tasks}.intersection(ids)):
        talk.print(f"set aside: {task}; all tests that decide it are in quarantine", markup=False, soft_wrap=True)
    retired = print_retired(suite, ids, out.lock().retired if out.exists else None)
    left = [task for task in ids if task not in aside.tasks and task not in retired]
    if not left and retired:
        raise FormatError(
            f"{suite.path} has no such task that reviewers kept",
            hint=f"change what they said: worktrial review {suite.path}",
        )
    if not left:
        raise FormatError(
            f"{suite.path} has no such task that can be decided",
            cause="all tests that decide are in quarantine: they failed with the landed change",
            hint="validate again: worktrial validate SUITE --thorough",
        )
    return left
