"""`worktrial run --dry-run`: what would be run, what it will take and cost, and what it can show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from worktrial import agents
from worktrial.agents import CONTROLS
from worktrial.analyse.forecast import Forecast, PastTrial, Range, forecast
from worktrial.analyse.power import detectable_difference, tasks_needed
from worktrial.cli.output import print_json, talk
from worktrial.errors import WorktrialError
from worktrial.formats.run import AgentConfig, RunRequest
from worktrial.run.plan import is_finished
from worktrial.store.history import past_runs
from worktrial.store.run import RunDir, TrialDir

_ENOUGH = 5
"""Past trials on the same suite below which those on others are taken too."""
_WANTED = (0.05, 0.1)
"""Differences for which the plan says how many tasks they would need."""
_UNITS = ((3600, "h"), (60, "min"), (1, "s"))
_UNKNOWN = (
    "What is unknown is told once some trials are there: begin the run, stop it with Ctrl-C, and ask again. "
    "Finished trials are kept."
)


@dataclass(frozen=True)
class _Row:
    agent: AgentConfig
    forecast: Forecast
    basis: str
    """What the forecast is taken from, in words."""


def dry_run(run: RunDir, request: RunRequest, jobs: int, *, as_json: bool) -> int:
    """Print the plan of a run and touch nothing; return the exit code."""
    rows = [_row(run, request, config) for config in request.everyone()]
    refusal = _refusal(request)
    if as_json:
        print_json({**_as_json(rows, request, jobs), "refused": None if refusal is None else str(refusal)})
        return 0
    _print(rows, request, jobs)
    if refusal is not None:
        talk.print(f"warning: as it stands, the run would be refused: {refusal}", markup=False, soft_wrap=True)
        if refusal.hint:
            talk.print(f"hint: {refusal.hint}", markup=False, soft_wrap=True)
    return 0


def _refusal(request: RunRequest) -> WorktrialError | None:
    """Return what the run would end with before its first trial: an agent, a key or a price is not there."""
    # The gateway's web server takes time to import, and only runs and their plans need it.
    from worktrial.run.budgets import Budgets
    from worktrial.run.link import gateway_for

    try:
        for config in request.everyone():
            agents.load(config)
        gateway_for(request, Budgets(request))
    except WorktrialError as error:
        return error
    return None


def _row(run: RunDir, request: RunRequest, config: AgentConfig) -> _Row:
    trials = [trial for trial in _asked(run, request) if trial.agent == config.name]
    left = sum(not is_finished(trial, retry_infrastructure=False) for trial in trials)
    here, elsewhere = _past(request, config)
    chosen = here if len(here) >= _ENOUGH else here + elsewhere
    on = "this suite" if chosen == here else "this suite and others" if here else "other suites"
    return _Row(config, forecast(chosen, left), f"{len(chosen)} past trials on {on}" if chosen else "no past trials")


def _asked(run: RunDir, request: RunRequest) -> Iterator[TrialDir]:
    for config in request.everyone():
        for task in request.tasks:
            for n in range(1, request.trials_of(config) + 1):
                yield run.trial_dir(config.name, task, n)


def _past(request: RunRequest, config: AgentConfig) -> tuple[list[PastTrial], list[PastTrial]]:
    """Return past trials of the same agent, those on the suite of `request` and all others."""
    here: list[PastTrial] = []
    elsewhere: list[PastTrial] = []
    for run in past_runs():
        before = run.request()
        alike = {one.name for one in before.everyone() if _same(one, config)}
        into = here if before.suite == request.suite else elsewhere
        for trial_dir in run.trial_dirs() if alike else ():
            if trial_dir.agent in alike and (past := _trial(trial_dir, free=config.kind in CONTROLS)) is not None:
                into.append(past)
    return here, elsewhere


def _same(one: AgentConfig, other: AgentConfig) -> bool:
    """Whether two configurations can be told from each other only by their names."""
    alike = [config.without_budget().model_copy(update={"name": ""}) for config in (one, other)]
    return alike[0] == alike[1]


def _trial(trial_dir: TrialDir, *, free: bool) -> PastTrial | None:
    try:
        trial, verdict = trial_dir.trial(), trial_dir.verdict()
    except WorktrialError:
        return None
    if trial is None or trial.ended in ("infrastructure", "budget"):
        return None
    took = trial.timings
    graded_s = verdict.grade_s if verdict is not None else 0.0
    cost_usd = 0.0 if free else trial.usage.cost_usd
    return PastTrial(took.workspace_s + took.agent_s + took.patch_s + graded_s, cost_usd)


# -- words --


def _print(rows: Sequence[_Row], request: RunRequest, jobs: int) -> None:
    tasks = len(request.tasks)
    talk.print(
        f"{tasks} tasks x {request.trials} trials x {len(rows)} agents, {jobs} at once; nothing was run.", markup=False
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("agent")
    for column in ("trials left", "time", "cost"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("from", style="dim")
    for row in rows:
        wall = _spread_out(row.forecast.wall_s, jobs)
        cost = row.forecast.cost_usd
        table.add_row(row.agent.name, str(row.forecast.trials), _time(wall), _money(cost), row.basis)
    if len(rows) > 1:
        walls = [_spread_out(row.forecast.wall_s, jobs) for row in rows]
        costs = [row.forecast.cost_usd for row in rows]
        table.add_row("all", str(sum(row.forecast.trials for row in rows)), _time(_total(walls)), _money(_total(costs)))
    talk.print(table)
    if any(row.forecast.wall_s is None for row in rows):
        talk.print(_UNKNOWN, markup=False, soft_wrap=True)
    if request.budget_usd is not None:
        talk.print(f"The budget of ${request.budget_usd:.2f} ends the run at once when it is spent.", markup=False)
    talk.print(_power(tasks, request.trials), markup=False, soft_wrap=True)


def _power(tasks: int, trials: int) -> str:
    shown = detectable_difference(tasks, trials)
    needs = ", ".join(f"{100 * wanted:.0f} points need {tasks_needed(wanted, trials)} tasks" for wanted in _WANTED)
    return (
        f"Between two agents, {tasks} tasks x {trials} show a true difference of {100 * shown:.0f} points or more in "
        f"four runs of five; at {trials} trials {needs}."
    )


def _spread_out(total: Range | None, jobs: int) -> Range | None:
    return None if total is None else Range(total.low / jobs, total.expected / jobs, total.high / jobs)


def _total(parts: Sequence[Range | None]) -> Range | None:
    """Return the sum of ranges, None when one is unknown; ends are added up, as if all went ill at once."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Range(*(sum(getattr(part, name) for part in known) for name in ("low", "expected", "high")))


def _time(found: Range | None) -> str:
    if found is None:
        return "unknown"
    # No finer than it is known, and short: a terminal has 80 columns.
    size, unit = next((size, unit) for size, unit in _UNITS if found.expected >= 2 * size or size == 1)
    low, expected, high = (f"{value / size:.0f}" for value in (found.low, found.expected, found.high))
    return f"{expected} {unit} ({low} … {high})"


def _money(found: Range | None) -> str:
    return "unknown" if found is None else f"${found.expected:.2f} ({found.low:.2f} … {found.high:.2f})"


def _as_json(rows: Sequence[_Row], request: RunRequest, jobs: int) -> dict[str, Any]:
    def ranged(found: Range | None) -> dict[str, float] | None:
        return None if found is None else asdict(found)

    tasks = len(request.tasks)
    return {
        "dry_run": True,
        "tasks": tasks,
        "trials": request.trials,
        "jobs": jobs,
        "agents": {
            row.agent.name: {
                "trials_left": row.forecast.trials,
                "wall_s": ranged(_spread_out(row.forecast.wall_s, jobs)),
                "cost_usd": ranged(row.forecast.cost_usd),
                "basis": row.basis,
            }
            for row in rows
        },
        "detectable_difference": detectable_difference(tasks, request.trials),
    }
