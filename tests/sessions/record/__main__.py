"""Record golden logs: real agents, against the scripted model server, do small tasks and commit them.

`python -m tests.sessions.record [AGENT…] [--keep FOLDER]` installs what is not there, and writes
`tests/sessions/golden/<source>/<version>/<scenario>/`: the log as the agent wrote it, but for long texts of its own
(cut) and paths of this machine, and `expected.json`, which is told by the scenario and by git, not by a reader.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import re
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.sessions.record.drivers import DRIVERS, USED, Asking, Driver, aider_answer, log_paths, turns
from tests.sessions.record.scenarios import Asked, Edit, Scenario, Shell
from tests.sessions.record.world import Commit, World
from tests.tools.model_server import ModelServer, Script, Turn
from tests.tools.model_server.wire import words

from worktrial import agents
from worktrial.agents.real.install import find
from worktrial.store.cache import cache_dir

_GOLDEN = Path(__file__).parents[1] / "golden"
_LONGEST = 400
_MOST = 12
"""Characters of a text and items of a list in a log that are kept; the scenarios have nothing as long."""


class _ByLastPrompt(ModelServer):
    """Answers by the last message of the user alone."""

    async def _answer(self, call: Any) -> Any:
        said = [words(one["content"]) for one in call.body["messages"] if one["role"] == "user"]
        asked = dataclasses.replace(call.asked, prompt=said[-1], index=0)
        return await super()._answer(dataclasses.replace(call, asked=asked))


def _server(driver: Driver, scenario: Scenario) -> ModelServer:
    if driver.by_last_prompt:
        scripts = [Script((Turn(text="feat: be loud", usage=USED),), match=r"^diff --git|^# Git diff|\ndiff --git")]
        for one in scenario.asked:
            first = one.prompt.split("\n")[0].replace("(", r"\(").replace(")", r"\)").replace(".", r"\.")
            scripts.append(Script((Turn(text=aider_answer(one), usage=USED),), match=first))
        return _ByLastPrompt(scripts)
    scripts = [Script((Turn(text="a title", usage=USED),) * 30, tools=False)]
    asked = scenario.asked
    if driver.forgets_refusals and "rejected" in asked[0].outcomes:
        scripts.append(Script(tuple(turns(driver, asked[0])), match=rf"{re.escape(asked[0].prompt)}\s*\Z", tools=True))
        asked = asked[1:]
    said = [turn for one in asked for turn in turns(driver, one)]
    return ModelServer([*scripts, Script(tuple(said), tools=True)])


async def _record(driver: Driver, scenario: Scenario, folder: Path) -> tuple[World, dict[str, Any], str]:
    agent = agents.real_agent(driver.name)
    installed = find(agent, None)
    world = World(folder, installed)
    server = _server(driver, scenario)
    url = await server.start()
    expected: list[dict[str, Any]] = []
    said = ""
    try:
        for number, asked in enumerate(scenario.asked):
            said += await driver.ask(Asking(world, agent, installed, url, scenario, number))
            expected.append(_expected(driver, asked, world.new_commits()))
            if asked.by_hand is not None:
                world.change(asked.by_hand)
    finally:
        await server.stop()
        if world.terminal is not None:
            world.terminal.close()
    return world, {"version": installed.version, "turns": expected}, said


def _expected(driver: Driver, asked: Asked, made: list[Commit]) -> dict[str, Any]:
    """Return what a turn has to come out as."""
    edits = [
        {"path": step.path, "outcome": step.outcome, "added": step.new.split("\n"),
         "removed": step.old.split("\n"), "written": step.written and step.written.split("\n")}
        for step in asked.steps if isinstance(step, Edit)
    ]  # fmt: skip
    run = (*(step for step in asked.steps if isinstance(step, Shell)), *asked.typed)
    hand = asked.by_hand
    return {
        "prompt": driver.prompts(asked.prompt),
        "edits": edits,
        "commands": [step.command for step in run],
        "commits": [{"sha": one.sha, "subject": one.subject} for one in made],
        **({"by_hand": {"path": hand.path, "old": hand.old, "new": hand.new}} if hand else {}),
    }


def _cut(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in (value if len(value) <= _MOST else value[:2])]
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[:100] + "…"
    return value


def _short(text: str) -> str:
    """Cut long texts in JSON; what is no JSON stays as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    cut = _cut(value)
    return text if cut == value else json.dumps(cut, ensure_ascii=False, separators=(",", ":"))


def _store(driver: Driver, world: World, expected: dict[str, Any], name: str) -> None:
    target = _GOLDEN / driver.name / expected.pop("version") / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")
    for path in log_paths(driver, world):
        place = target / "home" / path.relative_to(world.home)
        place.parent.mkdir(parents=True, exist_ok=True)
        text = _dump(path) if path.suffix == ".db" else path.read_text("utf-8")
        text = text.replace(str(cache_dir()), "/opt/worktrial").replace(str(world.home), "/home/dev")
        if path.suffix == ".jsonl":
            text = "".join(_short(line) + "\n" for line in text.split("\n") if line)
        place.with_name(place.name + ".sql" if path.suffix == ".db" else place.name).write_text(text, "utf-8")


def _dump(path: Path) -> str:
    """Return what a database holds that readers look at, as SQL."""
    connection = sqlite3.connect(path)
    for table in ("message", "part"):
        for key, data in connection.execute(f"SELECT id, data FROM {table}").fetchall():
            connection.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (_short(data), key))
    wanted = (
        '"session"',
        '"message"',
        '"part"',
        "`session`",
        "`message`",
        "`part`",
        " session ",
        " message ",
        " part ",
    )
    lines = [
        line for line in connection.iterdump()
        if line.startswith(("CREATE TABLE", "INSERT INTO")) and any(name in line[:40] for name in wanted)
    ]  # fmt: skip
    connection.rollback()
    connection.close()
    return "\n".join(lines) + "\n"


async def _main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("agents", nargs="*")
    parser.add_argument("--only", action="append", help="scenario")
    parser.add_argument("--show", action="store_true", help="print what the agent printed")
    options = parser.parse_args()
    for name in options.agents or DRIVERS:
        driver = DRIVERS[name]
        for scenario in driver.scenarios:
            if not scenario.needs <= driver.can or (options.only and scenario.name not in options.only):
                continue
            with tempfile.TemporaryDirectory(prefix="record-") as folder:
                world, expected, said = await _record(driver, scenario, Path(folder))
                made = sum(len(turn["commits"]) for turn in expected["turns"])
                logs = log_paths(driver, world)
                sys.stdout.write(f"{name} {scenario.name}: {made} commits, {len(logs)} files of logs\n")
                if options.show:
                    sys.stdout.write(said + "\n")
                _store(driver, world, expected, scenario.name)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
