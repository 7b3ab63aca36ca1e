"""Scripted agents for the demo: they replay parts of the landed changes, so that a report has something to tell.

No model is asked and nothing is learnt about any real agent; what they show is how trials, grading and report work.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from worktrial.formats.run import AgentConfig
from worktrial.store.files import write_bytes, write_text
from worktrial.store.suite import Suite

_PROGRAM = '''"""Looks its prompt up among the patches beside it and applies the one it finds."""

import hashlib
import pathlib
import subprocess
import sys

prompt = sys.stdin.read()
patch = pathlib.Path(__file__).parent / (hashlib.sha256(prompt.encode()).hexdigest() + ".patch")
print("asked for:", prompt.splitlines()[0] if prompt else "nothing")
if not patch.exists():
    print("no idea; leaving a note")
    with open("NOTES.md", "a") as notes:
        notes.write("I looked at this and did not find the place to change.\\n")
    sys.exit(0)
print("applying", len(patch.read_bytes()), "bytes of patch")
sys.exit(subprocess.run(["git", "apply", "--whitespace=nowarn", str(patch)]).returncode)
'''


def write_agents(folder: Path, suite: Suite) -> list[AgentConfig]:
    """Write two scripted agents into `folder` and return their configurations.

    *careful* gets two tasks of three right and stops half-way through the rest; *hasty* gets every other one right.
    """
    plans: dict[str, Callable[[int], str]] = {
        "careful": lambda place: "half" if place % 3 == 2 else "whole",
        "hasty": lambda place: "whole" if place % 2 == 0 else ("half" if place % 4 == 1 else "nothing"),
    }
    configs = []
    for name, plan in plans.items():
        home = folder / name
        program = home / "agent.py"
        write_text(program, _PROGRAM)
        for place, task in enumerate(suite.task_ids()):
            solution = suite.patch(task, "solution")
            kept = {"whole": solution, "half": first_hunk(solution), "nothing": b""}[plan(place)]
            if kept:
                prompt = suite.prompt(task)
                write_bytes(home / f"{hashlib.sha256(prompt.encode()).hexdigest()}.patch", kept)
        command = ("python3", str(program.absolute()))
        configs.append(AgentConfig(name=name, kind="command", command=command, mounts=(str(home.absolute()),)))
    return configs


def first_hunk(patch: bytes) -> bytes:
    """Return the first hunk of the first file with one that has more than it; empty when the patch is one hunk."""
    files = re.split(rb"(?m)^(?=diff --git )", patch)
    hunks = [re.split(rb"(?m)^(?=@@ )", file) for file in files if b"\n@@ " in file]
    if sum(len(file) - 1 for file in hunks) < 2:
        return b""
    return hunks[0][0] + hunks[0][1]
