"""Runs every real agent that can be installed here to the end of a task, and prints a line for each.

`python -m tests.agents.real [--sandbox TIER] [KIND…]`, from the checkout's folder. Agents are kept in worktrial's
cache. The last line is JSON. Ends with 1 when one that is installed did not solve the task with the server's tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.agents.real import scenario
from tests.agents.real.scenario import USED, Done
from tests.e2e.workshop import library

from worktrial import agents
from worktrial.errors import AgentError
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import choose


@dataclass(frozen=True)
class Line:
    """What is printed of one agent."""

    agent: str
    version: str = ""
    outcome: str = ""
    """Of the verdict; `skipped` when it was not run."""
    why: str = ""
    install_s: float | None = None
    agent_s: float | None = None
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    tokens_equal: bool | None = None
    """Whether they are what the server sent."""
    replayed: bool | None = None
    """Whether the same came of it, byte for byte, when it was answered from the record."""

    @property
    def good(self) -> bool:
        """Whether it did what it should, or could not be tried."""
        return self.outcome == "skipped" or (
            self.outcome == "solved" and bool(self.tokens_equal) and bool(self.replayed)
        )

    def __str__(self) -> str:
        """The line for people."""
        if self.outcome == "skipped":
            return f"{self.agent:15} skipped: {self.why}"
        equal = "as sent" if self.tokens_equal else "NOT AS SENT"
        equal += ", replayed" if self.replayed else ", NOT REPLAYED"
        return (
            f"{self.agent:15} {self.version:10} {self.outcome:10} {self.agent_s:6.1f} s, {self.requests} requests, "
            f"{self.input_tokens} + {self.output_tokens} tokens {equal}; installed in {self.install_s:.1f} s {self.why}"
        ).rstrip()


def _suite(folder: Path) -> Path:
    repo = library(folder / "repo")
    suite = repo.suite(folder / "suite", {scenario.TASK: repo.commits[1]})
    subprocess.run([sys.executable, "-m", "worktrial", "validate", str(suite.path), "--runs", "1"], check=True)
    return suite.path


def _line(kind: str, done: Done, again: Done, install_s: float) -> Line:
    used = done.trial.usage
    sent = (done.answered * USED.input, done.answered * USED.output, done.answered * USED.cache_read)
    return Line(
        kind,
        done.trial.agent_version,
        done.verdict.outcome,
        " ".join(part for part in (done.trial.cause, done.trial.detail) if part),
        round(install_s, 1),
        round(done.trial.timings.agent_s, 1),
        used.requests,
        used.input_tokens,
        used.output_tokens,
        (used.input_tokens, used.output_tokens, used.cache_read_tokens) == sent,
        (_patch(again), again.verdict.outcome, len(again.server.requests)) == (_patch(done), done.verdict.outcome, 0),
    )


def _patch(done: Done) -> bytes:
    return (done.folder / "trials/it" / scenario.TASK / "1/patch.diff").read_bytes()


async def _one(kind: str, suite: Path, sandbox: Sandbox, folder: Path) -> Line:
    started = time.monotonic()
    try:
        if agents.real_agent(kind).package.registry == "path":
            return Line(kind, outcome="skipped", why="no registry has it, and no script was tried with it")
        await scenario.installed(kind, sandbox)
    except AgentError as error:
        return Line(kind, outcome="skipped", why=str(error))
    install_s = time.monotonic() - started
    for name in ("first", "again"):
        (folder / name).mkdir(parents=True)
    done = await scenario.attempt(scenario.config(kind), suite, sandbox, folder / "first")
    again = await scenario.attempt(scenario.config(kind), suite, sandbox, folder / "again", replay=folder / "first/run")
    return _line(kind, done, again, install_s)


def main() -> int:
    """Run the agents that are named, or all, one after the other."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sandbox", default="namespaces")
    parser.add_argument("kinds", nargs="*")
    asked = parser.parse_args()
    wanted = asked.kinds or list(agents.real_kinds())
    sandbox = choose(asked.sandbox)
    lines = []
    with tempfile.TemporaryDirectory(prefix="agents-real-") as folder:
        suite = _suite(Path(folder))
        for kind in wanted:
            lines.append(asyncio.run(_one(kind, suite, sandbox, Path(folder, kind))))
            sys.stdout.write(f"{lines[-1]}\n")
            sys.stdout.flush()
    sys.stdout.write(json.dumps({"agents": [asdict(line) for line in lines]}) + "\n")
    return 0 if all(line.good for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
