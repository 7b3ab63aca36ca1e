"""What isolation costs: a workspace over a layer, one command in it, and its end, beside bare system tools.

All kinds of sample take turns within one run, so that the ratios hold on a busy machine too. `--cycles` creates and
destroys that many workspaces besides, and fails when anything is left of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from worktrial.formats.run import TrialLimits
from worktrial.languages.python.testing import PRELOAD
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.protocol import Command, Mount
from worktrial.sandboxes.usage import descendants

_UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--ipc", "--uts", "true"]
_LIMITS = TrialLimits()
_TESTS = """
def test_one():
    assert 1 + 1 == 2

def test_two():
    assert 'a' in 'abc'

def test_three(tmp_path):
    (tmp_path / 'x').write_text('x')
"""
# Only pytest itself, and not what else happens to be installed beside it here.
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
_RUNNER = "import sys, pytest\nsys.path.insert(0, '.')\nsys.exit(pytest.main(['-q', '-p', 'no:cacheprovider']))\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=20, help="pytest jobs of each kind")
    parser.add_argument("--cycles", type=int, default=0, help="workspaces to create and destroy in search of leaks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        bench = Bench(Path(folder))
        figures = asyncio.run(bench.measure(given.rounds, given.jobs))
        if given.cycles:
            figures |= asyncio.run(bench.leaks(given.cycles))
    print(json.dumps(figures))


class Bench:
    """Layers, tools and what was measured, in seconds by kind of sample."""

    def __init__(self, folder: Path) -> None:
        self.layer = folder / "layer"
        self.layer.mkdir()
        (self.layer / "test_three.py").write_text(_TESTS)
        hand_over(self.layer)
        self.tool = folder / "tool"
        self.tool.mkdir()
        (self.tool / "run.py").write_text(_RUNNER)
        python = (Mount(path) for path in _python() if not path.is_relative_to("/usr"))
        self.mounts = (Mount(self.tool), *python)
        self.took: dict[str, list[float]] = {}

    async def timed(self, kind: str, doing: Callable[[], Awaitable[object]]) -> None:
        """Do something and note how long it took."""
        started = time.perf_counter()
        await doing()
        self.took.setdefault(kind, []).append(time.perf_counter() - started)

    async def measure(self, rounds: int, jobs: int) -> dict[str, float | None]:
        """Take turns, and return medians in milliseconds."""
        cold, pooled = Namespaces(pool=0), Namespaces(pool=2)
        keeps_pool = await pooled.open((self.layer,), _LIMITS)
        await keeps_pool.run(Command(("true",), 10))
        for number in range(rounds + 5):
            await self.timed("unshare", self.unshare)
            await self.timed("create", lambda: self.cycle(cold, ("true",)))
            await asyncio.sleep(0.03)  # cells are made ahead in the time between two commands
            await self.timed("pool", lambda: self.cycle(pooled, ("true",)))
            await asyncio.sleep(0.03)  # what is put off falls in nobody's time
            if number == 4:
                self.took.clear()
        bwrap = shutil.which("bwrap")
        for number in range(jobs + 2):
            await self.timed(
                "pytest_pool", lambda: self.cycle(pooled, (sys.executable, str(self.tool / "run.py")), warm=True)
            )
            if bwrap:
                await self.timed("pytest_cold", lambda: self.bwrap_pytest(bwrap))
            await self.timed("pytest_start", lambda: self.cycle(pooled, (sys.executable, str(self.tool / "run.py"))))
            await asyncio.sleep(0.1)
            if number == 1:
                for kind in ("pytest_pool", "pytest_cold", "pytest_start"):
                    self.took.pop(kind, None)
        await keeps_pool.close()
        if not bwrap:
            print("bubblewrap is not installed: no cold figure to compare with (apt-get install bubblewrap)")
        median = {kind: round(statistics.median(took) * 1000, 2) for kind, took in self.took.items()}
        p95 = statistics.quantiles(self.took["create"], n=20, method="inclusive")[-1]
        return {
            "create_ms_p50": median["create"],
            "create_ms_p95": round(p95 * 1000, 2),
            "unshare_ms_p50": median["unshare"],
            "ratio": round(median["create"] / median["unshare"], 2),
            "pool_ms_p50": median["pool"],
            "pytest_pool_ms_p50": median["pytest_pool"],
            "pytest_cold_ms_p50": median.get("pytest_cold"),
            "pytest_start_ms_p50": median["pytest_start"],
        }

    async def unshare(self) -> None:
        """Run `true` in bare namespaces."""
        await asyncio.to_thread(subprocess.run, _UNSHARE, check=True)

    async def cycle(self, sandbox: Namespaces, argv: tuple[str, ...], warm: bool = False) -> None:
        """Open a workspace, run a command in it, and close it."""
        workspace = await sandbox.open((self.layer,), _LIMITS)
        command = Command(
            argv,
            60,
            mounts=self.mounts if len(argv) > 1 else (),
            preload=PRELOAD if warm else (),
            env=_ENVIRONMENT,
        )
        done = await workspace.run(command)
        await workspace.close()
        if done.exit_code:
            raise SystemExit(f"{argv} ended with {done}")

    async def bwrap_pytest(self, bwrap: str) -> None:
        """Run the same tests as people do by hand: bubblewrap, and `python -m pytest`."""
        binds = [part for path in ("/usr", *map(str, _python())) for part in ("--ro-bind", path, path)]
        for name in ("bin", "lib", "lib64"):
            binds += ["--symlink", f"usr/{name}", f"/{name}"]
        argv = [bwrap, "--unshare-all", *binds, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        argv += ["--bind", str(self.layer), "/workspace", "--chdir", "/workspace", "--", sys.executable]
        argv += ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
        await asyncio.to_thread(
            subprocess.run, argv, check=True, capture_output=True, env={**os.environ, **_ENVIRONMENT}
        )

    async def leaks(self, cycles: int) -> dict[str, float | None]:
        """Create and destroy workspaces, and fail when something of them is left."""
        sandbox = Namespaces(pool=2)
        keeps = await sandbox.open((), _LIMITS)

        async def left() -> tuple[int, int, int, int]:
            await asyncio.sleep(1)
            processes = len(descendants(os.getpid()))
            mounts = (await keeps.host(["cat", "/proc/self/mountinfo"], env=os.environ)).count(b"\n")
            spawner = next(pid for pid in descendants(os.getpid()) if pid != os.getpid())
            files = [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in (os.getpid(), spawner)]
            return mounts, processes, files[0], files[1]

        for _ in range(10):
            await self.cycle(sandbox, ("true",))
        before = await left()
        started = time.perf_counter()
        for _ in range(cycles):
            await self.cycle(sandbox, ("true",))
        took = time.perf_counter() - started
        after = await left()
        print(f"mounts, processes, files of ours and of the spawner: {before} before, {after} after {cycles} cycles")
        if any(now > then for then, now in zip(before, after, strict=True)):
            raise SystemExit("something was left behind")
        await keeps.close()
        return {"cycles": cycles, "cycle_ms": round(took / cycles * 1000, 2)}


def _python() -> list[Path]:
    """Return the folders that this interpreter and its packages are in."""
    return [Path(sys.base_prefix), Path(sysconfig.get_path("purelib")).parents[2]]


if __name__ == "__main__":
    main()
