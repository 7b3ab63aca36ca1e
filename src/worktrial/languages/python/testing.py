"""Running pytest in a workspace and reading its report."""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
from pathlib import Path
from typing import Any

from worktrial.errors import EnvironmentBuildError
from worktrial.formats.evidence import Ended
from worktrial.languages.protocol import Activation, BuiltEnvironment, TestPlan, TestReport
from worktrial.languages.python import canaries, interpreters
from worktrial.languages.python.interpreters import Interpreter, uv_path
from worktrial.languages.python.said import read_report
from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Command, Mount, Workspace
from worktrial.sandboxes.spawned import end
from worktrial.store.cache import building_slowly, cache_dir

_HARNESS = Path(__file__).parent / "harness"
_PLUGINS = (
    "cacheprovider", "debugging", "doctest", "faulthandler", "helpconfig", "junitxml", "logging", "nose", "pastebin",
    "python_path", "recwarn", "setuponly", "setupplan", "skipping", "stepwise", "subtests", "terminalprogress",
    "threadexception", "tracemalloc", "unittest", "unraisableexception", "warnings",
)  # fmt: skip
"""Those of pytest 6 to 9 that every run loads and `import pytest` does not."""
PRELOAD = (
    "pytest", "_pytest.assertion.rewrite", *(f"_pytest.{name}" for name in _PLUGINS),
    "_pytest._argcomplete", "unittest.mock", "asyncio", "doctest", "faulthandler", "getpass", "hashlib", "pwd",
    "readline", "termios",
)  # fmt: skip
"""What a run imports before the workspace's own code, and what takes it longest; what is not there is passed over."""


def activation(environment: BuiltEnvironment, workspace: Workspace) -> Activation:
    """Return what puts a virtual environment in reach of commands."""
    venv = environment.folder / "venv"
    env = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin"}
    if workspace.tier == "none":
        # The project was installed from a workspace at another path: its folders have to be named.
        env["PYTHONPATH"] = ":".join(str(workspace.root / root) for root in _read_roots(environment))
    interpreter = packages.installation(interpreters.base_prefix(_interpreter(environment).path))
    return Activation(env, (Mount(environment.folder), *interpreter))


async def test(workspace: Workspace, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float) -> TestReport:
    """Run the tests of a plan."""
    key, canary = secrets.token_bytes(32), canaries.make(random.SystemRandom())
    tools = await _tools(_interpreter(environment)) if plan.lines else None
    active = activation(environment, workspace)
    asked = _plan_json(plan, environment, tools) | {"key": key.hex(), "canary": canary.as_json()}
    asked |= {"event": f"worktrial.{secrets.token_hex(8)}", "current_test": secrets.token_hex(6)}
    # What is on this path is looked at before the standard library is, by Python's own start too: it is set later.
    asked["python_path"] = active.env.get("PYTHONPATH", "")
    finished = await workspace.run(_command(asked, active, environment, plan, timeout_s))
    said = read_report(finished.report, key, canary.name, whole=finished.ended == "completed")
    ended: Ended = finished.ended
    forged = said.contradiction()
    if ended == "completed" and (forged or not said.finished):
        ended = "crashed"
    return TestReport(
        ended=ended,
        exit_code=finished.exit_code,
        statuses=said.statuses(ended),
        covering=said.covering,
        output=finished.output.decode("utf-8", "replace"),
        wall_s=finished.wall_s,
        forged=forged,
        evidence=tuple(sorted(said.evidence)),
        unproven=frozenset(said.unproven),
        sources=said.sources,
        exceptions=said.exceptions,
        canaries_passed=tuple(said.canaries_passed),
    )


def _command(
    asked: dict[str, Any], active: Activation, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float
) -> Command:
    """Return what runs the harness on a question."""
    env = {name: value for name, value in active.env.items() if name != "PYTHONPATH"}
    env |= {"PYTHONHASHSEED": str(plan.shuffle_seed or 0), "PYTHONNOUSERSITE": "1", "TZ": "UTC"}
    return Command(
        (str(environment.folder / "venv/bin/python"), str(_HARNESS / "launch.py")),
        timeout_s=timeout_s,
        env={**env, **plan.env},
        stdin=json.dumps(asked).encode(),
        mounts=(*active.mounts, Mount(_HARNESS), *([Mount(Path(asked["tools"]))] if plan.lines else [])),
        report=True,
        read_only=tuple(asked["targets"]),
        preload=PRELOAD if plan.shuffle_seed is None and not plan.lines else (),
    )


def _plan_json(plan: TestPlan, environment: BuiltEnvironment, tools: Path | None) -> dict[str, Any]:
    files = dict.fromkeys([*plan.files, *(test.split("::")[0] for test in plan.ids)])
    return {
        "everything": plan.everything,
        "targets": [] if plan.everything else list(files),
        "files": list(plan.files),
        "ids": list(plan.ids),
        "seed": plan.shuffle_seed,
        "reverse": plan.reverse,
        "first": list(plan.first),
        "stop_after_s": plan.stop_after_s,
        "lines": {path: sorted(lines) for path, lines in plan.lines.items()},
        "roots": _read_roots(environment),
        "tools": str(tools),
    }


def _read_roots(environment: BuiltEnvironment) -> list[str]:
    return (environment.folder / "roots").read_text("utf-8").split("\n")[:-1]


def _interpreter(environment: BuiltEnvironment) -> Interpreter:
    """Return what an environment was built with. The environment's own `python` is not ours to start or follow."""
    return interpreters.for_version((environment.folder / "interpreter").read_text("utf-8"))


async def _tools(interpreter: Interpreter) -> Path:
    """Return a folder with coverage.py for an interpreter, outside of the environment so as not to change it."""
    target = cache_dir() / "tools" / f"python{interpreter.minor}"
    async with building_slowly(target) as part:
        if part is not None:
            argv = [str(uv_path()), "pip", "install", "--quiet", "--no-config", "--python", str(interpreter.path)]
            argv += ["--only-binary", ":all:"]  # nothing of the package is run outside of a sandbox
            env = interpreters.SYSTEM_CERTIFICATES | os.environ
            process = await asyncio.create_subprocess_exec(
                *(*argv, "--target", str(part), "coverage>=7"),
                env=env,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for us to answer
            )
            try:
                _, errors = await process.communicate()
            except BaseException:
                await end(process)
                raise
            if process.returncode:
                raise EnvironmentBuildError("could not install coverage.py", cause=errors.decode()[-300:])
    return target
