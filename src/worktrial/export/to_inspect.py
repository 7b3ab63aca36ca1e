"""Inspect's `.eval` logs, by inspect_ai: one per agent, a sample per task, an epoch per trial.

An `.eval` file is a zip of `header.json`, `summaries.json` and a JSON file per sample; the documents are inspect_ai's
own models, so that they are what the installed version reads. Its own writer holds all samples in memory; this one
does not.
"""

from __future__ import annotations

import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worktrial.errors import FormatError, UsageError
from worktrial.export.tables import Attempt, fit, outcome
from worktrial.formats.run import AgentConfig
from worktrial.formats.trajectory import Step, Trajectory
from worktrial.store.cache import digest
from worktrial.store.files import read_model
from worktrial.store.run import RunDir
from worktrial.store.suite import Suite

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample, EvalSpec

_SCORER = "worktrial"


def available() -> None:
    """Raise `UsageError` when inspect_ai is not installed."""
    try:
        import inspect_ai.log  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "Inspect logs need inspect_ai, which is not installed", hint="pip install 'worktrial[inspect]'"
        ) from error


def write(attempts: Iterable[Attempt], out: Path, run: RunDir) -> None:
    """Write a folder of logs, `<agent>.eval`. Attempts that were set aside are only counted, in the metadata."""
    out.mkdir()
    prompts = _Prompts(run)
    for name, own in groupby(attempts, key=lambda attempt: attempt.config.name):
        _Log(run, prompts).write(own, out / f"{name}.eval")


class _Prompts:
    """What the agents were asked, from the suite where it is still there."""

    def __init__(self, run: RunDir) -> None:
        self._suite = Suite(Path(run.request().suite))
        self._known: dict[str, str] = {}

    def __call__(self, task: str) -> str:
        if task not in self._known:
            try:
                self._known[task] = fit(self._suite.prompt(task))
            except FormatError:
                self._known[task] = task
        return self._known[task]


class _Log:
    """The log of one agent, written sample by sample."""

    def __init__(self, run: RunDir, prompts: _Prompts) -> None:
        self._run = run
        self._prompts = prompts
        self._graded: dict[str, list[float]] = defaultdict(list)
        self._samples = 0
        self._completed = 0
        self._set_aside = 0
        self._end: datetime | None = None

    def write(self, attempts: Iterable[Attempt], path: Path) -> None:
        summaries = []
        config = None
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for attempt in attempts:
                config = attempt.config
                if attempt.set_aside is not None:
                    self._set_aside += 1
                    continue
                sample = self._sample(attempt)
                archive.writestr(f"samples/{sample.id}_epoch_{sample.epoch}.json", _json(sample))
                summaries.append(_json(sample.summary()))
            if config is not None:
                archive.writestr("summaries.json", f"[{','.join(summaries)}]")
                archive.writestr("header.json", _json(self._header(config)))

    def _sample(self, attempt: Attempt) -> EvalSample:
        from inspect_ai.log import EvalSample

        self._samples += 1
        how = outcome(attempt)
        trial, verdict = attempt.trial, attempt.verdict
        if how in ("solved", "not_solved", "tampered"):
            self._completed += 1
            self._graded[attempt.task].append(float(how == "solved"))
        seconds = trial.timings.agent_s if trial else None
        if trial is not None:
            end = trial.started_at + timedelta(seconds=trial.timings.agent_s)
            self._end = max(end, self._end or end)
        return EvalSample(
            id=attempt.task,
            epoch=attempt.n,
            input=self._prompts(attempt.task),
            target="the hidden tests pass",
            messages=list(_messages(attempt.folder)),
            scores=_scores(attempt, how),
            error=_error(attempt, how),
            metadata={
                "outcome": how,
                "cause": fit((verdict.cause if verdict else "") or (trial.cause if trial else "")),
                "ended": trial.ended if trial else None,
                "steps": trial.steps if trial else None,
                "tool_calls": {fit(name): calls for name, calls in trial.tool_calls.items()} if trial else {},
                "tool_use": dict(trial.tool_use.calls) if trial and trial.tool_use else None,
                "cost_usd": trial.usage.cost_usd if trial else None,
                "cost_source": trial.usage.cost_source if trial else None,
            },
            model_usage=_usage(attempt),
            started_at=trial.started_at.isoformat() if trial else None,
            completed_at=(trial.started_at + timedelta(seconds=seconds or 0)).isoformat() if trial else None,
            total_time=seconds,
            working_time=seconds,
            uuid=digest(str(self._run.path), attempt.config.name, attempt.task, str(attempt.n))[:22],
        )

    def _header(self, config: AgentConfig) -> EvalLog:
        from inspect_ai.log import EvalLog, EvalMetric, EvalResults, EvalScore, EvalStats

        means = [sum(values) / len(values) for values in self._graded.values()]
        metrics = {"accuracy": EvalMetric(name="accuracy", value=sum(means) / len(means))} if means else {}
        lock = self._run.lock()
        return EvalLog(
            status="success",
            eval=self._spec(config),
            results=EvalResults(
                total_samples=self._samples,
                completed_samples=self._completed,
                scores=[EvalScore(name=_SCORER, scorer=_SCORER, scored_samples=self._completed, metrics=metrics)],
            ),
            stats=EvalStats(
                started_at=lock.started_at.isoformat(), completed_at=(self._end or lock.started_at).isoformat()
            ),
        )

    def _spec(self, config: AgentConfig) -> EvalSpec:
        from inspect_ai.log import EvalConfig, EvalDataset, EvalSpec

        request, lock = self._run.request(), self._run.lock()
        suite = fit(Path(request.suite).name)
        key = digest(str(self._run.path), config.name)
        return EvalSpec(
            eval_id=key[:22],
            run_id=digest(str(self._run.path))[:22],
            created=lock.started_at.isoformat(),
            task=suite,
            task_id=lock.suite_digest[:22],
            dataset=EvalDataset(name=suite, samples=len(request.tasks), sample_ids=list(request.tasks)),
            model=_model(config),
            solver=config.name,
            config=EvalConfig(epochs=request.trials_of(config)),
            packages={"worktrial": lock.worktrial},
            metadata={
                "agent": config.name,
                "kind": config.kind,
                "suite_digest": lock.suite_digest,
                "sandbox": lock.sandbox,
                "attempts_set_aside": self._set_aside,
            },
        )


def _model(config: AgentConfig) -> str:
    return f"worktrial/{fit(config.model or config.kind)}"


def _scores(attempt: Attempt, how: str) -> dict[str, Any] | None:
    from inspect_ai.scorer import CORRECT, INCORRECT, Score

    if how not in ("solved", "not_solved", "tampered"):
        return None
    verdict = attempt.verdict
    said = f"{verdict.passed} of {verdict.expected} expected tests passed" if verdict else ""
    return {
        _SCORER: Score(
            value=CORRECT if how == "solved" else INCORRECT,
            answer=how,
            explanation=fit(" ".join(filter(None, (said, verdict.cause if verdict else "")))),
        )
    }


def _error(attempt: Attempt, how: str) -> Any:
    """Return an error for what is not graded: Inspect takes such samples for not completed."""
    from inspect_ai.log import EvalError

    if how in ("solved", "not_solved", "tampered"):
        return None
    trial = attempt.trial
    message = fit(": ".join(filter(None, (how, trial.cause if trial else "", trial.detail if trial else ""))))
    return EvalError(message=message, traceback="", traceback_ansi="")


def _usage(attempt: Attempt) -> dict[str, Any]:
    from inspect_ai.model import ModelUsage

    trial = attempt.trial
    if trial is None or not trial.usage.requests:
        return {}
    usage = trial.usage
    return {
        _model(attempt.config): ModelUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
            input_tokens_cache_read=usage.cache_read_tokens,
            input_tokens_cache_write=usage.cache_write_tokens,
        )
    }


def _messages(folder: Path) -> Iterator[Any]:
    path = folder / "trajectory.json"
    if path.exists():
        for step in read_model(path, Trajectory, "trajectory").steps:
            yield from _of_step(step)


def _of_step(step: Step) -> Iterator[Any]:
    from inspect_ai import model
    from inspect_ai.tool import ToolCall

    text = fit(step.message)
    if step.source != "agent":
        yield (model.ChatMessageUser if step.source == "user" else model.ChatMessageSystem)(content=text)
    else:
        calls = [
            ToolCall(id=fit(call.tool_call_id), function=fit(call.function_name), arguments=_fit(call.arguments))
            for call in step.tool_calls or ()
        ]
        content: Any = text
        if step.reasoning_content:
            content = [model.ContentReasoning(reasoning=fit(step.reasoning_content)), model.ContentText(text=text)]
        yield model.ChatMessageAssistant(content=content, tool_calls=calls or None)
    names = {call.tool_call_id: call.function_name for call in step.tool_calls or ()}
    for result in step.observation.results if step.observation else ():
        call = result.source_call_id
        yield model.ChatMessageTool(
            content=fit(result.content or ""),
            tool_call_id=None if call is None else fit(call),
            function=fit(names[call]) if call in names else None,
        )


def _fit(value: Any) -> Any:
    """Return a value of JSON with all text in it made fit."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, dict):
        return {fit(key): _fit(inner) for key, inner in value.items()}
    return [_fit(inner) for inner in value] if isinstance(value, list) else value


def _json(document: Any) -> str:
    return str(document.model_dump_json(exclude_none=True, fallback=str))
