"""Running pytest in a workspace and reading its report."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from worktrial.errors import EnvironmentBuildError
from worktrial.formats.evidence import Ended, Status
from worktrial.languages.protocol import Activation, BuiltEnvironment, TestPlan, TestReport
from worktrial.languages.python import interpreters
from worktrial.languages.python.interpreters import Interpreter, uv_path
from worktrial.sandboxes.process import end
from worktrial.sandboxes.protocol import Command, Mount, Workspace
from worktrial.store.cache import building_slowly, cache_dir

_HARNESS = Path(__file__).parent / "harness"


def activation(environment: BuiltEnvironment, workspace: Workspace) -> Activation:
    """Return what puts a virtual environment in reach of commands."""
    venv = environment.folder / "venv"
    env = {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin"}
    if workspace.tier == "none":
        # The project was installed from a workspace at another path: its folders have to be named.
        env["PYTHONPATH"] = ":".join(str(workspace.root / root) for root in _read_roots(environment))
    mounts = (Mount(environment.folder), Mount(interpreters.base_prefix(_interpreter(environment).path)))
    return Activation(env, tuple(mount for mount in mounts if not mount.path.is_relative_to("/usr")))


async def test(workspace: Workspace, environment: BuiltEnvironment, plan: TestPlan, timeout_s: float) -> TestReport:
    """Run the tests of a plan."""
    python = environment.folder / "venv/bin/python"
    active = activation(environment, workspace)
    tools = await _tools(_interpreter(environment)) if plan.lines else None
    mounts = [*active.mounts, Mount(_HARNESS), *([Mount(tools)] if tools else [])]
    finished = await workspace.run(
        Command(
            (str(python), str(_HARNESS / "launch.py")),
            timeout_s=timeout_s,
            env={**active.env, "PYTHONHASHSEED": str(plan.shuffle_seed or 0), "TZ": "UTC", **plan.env},
            stdin=json.dumps(_plan_json(plan, environment, tools)).encode(),
            mounts=tuple(mounts),
            report=True,
        )
    )
    said = read_report(finished.report)
    ended: Ended = finished.ended
    if ended == "completed" and not said.finished:
        ended = "crashed"
    return TestReport(
        ended=ended,
        exit_code=finished.exit_code,
        statuses=said.statuses(ended),
        covering=said.covering,
        output=finished.output.decode("utf-8", "replace"),
        wall_s=finished.wall_s,
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
                *argv, "--target", str(part), "coverage>=7", env=env, stderr=asyncio.subprocess.PIPE
            )
            try:
                _, errors = await process.communicate()
            except BaseException:
                await end(process)
                raise
            if process.returncode:
                raise EnvironmentBuildError("could not install coverage.py", cause=errors.decode()[-300:])
    return target


class SaidByTests:
    """What the report's lines say, in order. A test is what was said of it last only if nothing else was said before:
    two different answers are an error of that test."""

    def __init__(self) -> None:
        self.finished = False
        self.covering: dict[str, dict[str, tuple[int, ...]]] = {}
        self._done: dict[str, Status] = {}
        self._running: str | None = None

    def hear(self, record: dict[str, Any]) -> None:
        """Take in one line."""
        match record:
            case {"started": str(test)}:
                self._running = test
            case {"test": str(test), "status": str(status)}:
                self._running = None
                known: Status = status if status in _STATUSES else "error"
                self._done[test] = known if self._done.get(test, known) == known else "error"
            case {"uncollected": str(path)}:
                self._done[path] = "uncollected"
            case {"skipped_file": str(path)}:
                self._done.setdefault(path, "skipped")
            case {"covered": str(path), "tests": dict(tests)}:
                for test, lines in tests.items():
                    if isinstance(lines, list) and all(isinstance(line, int) for line in lines):
                        self.covering.setdefault(test, {})[path] = tuple(lines)
            case {"finished": int()}:
                self.finished = True
            case _:
                pass

    def statuses(self, ended: Ended) -> dict[str, Status]:
        """Return every test's status; the one that was running when the process was ended did not come back."""
        found = dict(self._done)
        if self._running is not None and self._running not in found:
            found[self._running] = "timeout" if ended == "timeout" else "error"
        return found


_STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def read_report(data: bytes) -> SaidByTests:
    """Return what a report says. Lines that are torn or no JSON are passed over: tests may write there too."""
    said = SaidByTests()
    for record in _records(data):
        said.hear(record)
    return said


def _records(data: bytes) -> Iterable[dict[str, Any]]:
    for line in data.splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record
