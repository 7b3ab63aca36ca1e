"""What `worktrial gate` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from worktrial.analyse.judgement import Judgement, Verdict, judge
from worktrial.analyse.words import count
from worktrial.cli.compare_command import comparison_json
from worktrial.cli.configuration import read_configuration
from worktrial.cli.opponents import Match, match
from worktrial.cli.output import print_json, talk
from worktrial.formats.gate import GateConfig
from worktrial.pages.text import visible
from worktrial.report.gate import Gated, junit, markdown
from worktrial.store.files import write_bytes, write_text, writing
from worktrial.store.run import RunDir

CODES: dict[Verdict, int] = {"pass": 0, "regress": 1, "inconclusive": 2}


def gate(given: Mapping[str, Any]) -> int:
    """Judge a run and return the exit code of the verdict. Raises `WorktrialError`."""
    configuration = read_configuration(given["config"])
    config = configuration.gate
    if given["points"] is not None:
        config = config.model_copy(update={"min_delta_points": given["points"]})
    with talk.status("reading …"):
        found = match(given["baseline"], given["run"], _names(given), configuration.rates)
        judgement = judge(found.contest, found.first, found.second, config)
    gated = Gated(judgement, found.labels, found.contest, found.warnings)
    _write(gated, given["junit"], given["markdown"])
    for line in _lines(gated):
        click.echo(visible(line), err=given["as_json"])
    if given["as_json"]:
        print_json(_json(judgement, found, config))
    return CODES[judgement.verdict]


def _names(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the agents of baseline and run; that of the baseline has the name of the run's, if it has such a one."""
    own, other = given["agent"], given["baseline_agent"]
    if own is None:
        contenders = [agent.name for agent in RunDir.open(given["run"]).request().agents]
        own = contenders[0] if len(contenders) == 1 else None
    if other is None and own is not None:
        known = [agent.name for agent in RunDir.open(given["baseline"]).request().everyone()]
        other = own if own in known else None
    return other, own


def _lines(gated: Gated) -> list[str]:
    judgement = gated.judgement
    lines = [f"{judgement.verdict}: {gated.labels[1]} against {gated.labels[0]}", ""]
    width = max(len(check.verdict) for check in judgement.checks)
    for check in judgement.checks:
        lines.append(f"{check.verdict:{width}}  {check.name}: {check.said}")
        if check.remedy:
            lines.append(f"{'':{width}}  {check.remedy}")
    lines += ["", *judgement.faults, *judgement.caveats, *gated.warnings]
    if judgement.verdict == "inconclusive" and judgement.more_trials:
        lines.append(f"About {count(judgement.more_trials, 'more trial')} would settle it.")
    return lines


def _write(gated: Gated, junit_path: Path | None, markdown_path: Path | None) -> None:
    if junit_path is not None:
        write_bytes(junit_path, junit(gated))
    text = markdown(gated)
    if markdown_path is not None:
        write_text(markdown_path, text)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with writing(Path(summary)), Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text + "\n")


def _json(judgement: Judgement, found: Match, config: GateConfig) -> dict[str, Any]:
    return {
        "verdict": judgement.verdict,
        "exit_code": CODES[judgement.verdict],
        "min_delta_points": config.min_delta_points,
        "more_trials": judgement.more_trials,
        "checks": [asdict(check) for check in judgement.checks],
        "faults": list(judgement.faults),
        "caveats": [*judgement.caveats, *found.warnings],
        "comparison": comparison_json(found, (config.min_delta_points or 1) / 100),
    }
