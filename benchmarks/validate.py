"""Validation against its own test processes: how much longer than the tests alone, spread over the jobs, it takes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from worktrial.formats.evidence import CoverageRun, EnvironmentUse, TestRun
from worktrial.store.suite import Suite


def main() -> None:
    """Mine and validate a repository from nothing, then validate again with nothing changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", required=True, type=Path)
    parser.add_argument("--max-commits", type=int, default=600)
    parser.add_argument("--limit", type=int, default=30, help="newest candidates to validate")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        suite = Path(folder) / "suite"
        # An empty cache: environments and coverage are part of what is measured.
        env = {**os.environ, "WORKTRIAL_CACHE": str(Path(folder) / "cache")}
        worktrial = [sys.executable, "-m", "worktrial"]
        mine = [*worktrial, "mine", str(given.repo), "--suite", str(suite), "--max-commits", str(given.max_commits)]
        subprocess.run(mine, check=True, env=env)
        validate = [
            *worktrial,
            "validate",
            str(suite),
            "--jobs",
            str(given.jobs),
            "--limit",
            str(given.limit),
            "--json",
        ]
        wall_s, printed = _timed(validate, env)
        again_s, _ = _timed(validate, env)
        test_s = _test_seconds(Suite(suite))
    result = json.loads(printed.splitlines()[-1])
    print(f"funnel: {result['funnel']}")
    print(f"validated again with nothing changed: {again_s:.2f} s")
    print(
        json.dumps(
            {
                "candidates": result["candidates"],
                "accepted": result["accepted"],
                "wall_s": round(wall_s, 2),
                "test_s": round(test_s, 2),
                "jobs": given.jobs,
                "ratio": round(wall_s / (test_s / given.jobs), 3),
                "again_s": round(again_s, 2),
            }
        )
    )


def _test_seconds(suite: Suite) -> float:
    """Return the summed wall-clock seconds of every test process in the suite's evidence."""
    return sum(
        record.wall_s
        for candidate in suite.candidates
        for record in suite.evidence(candidate.id)
        if isinstance(record, TestRun | CoverageRun | EnvironmentUse)
    )


def _timed(argv: list[str], env: dict[str, str]) -> tuple[float, str]:
    started = time.monotonic()
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, env=env)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    return time.monotonic() - started, done.stdout


if __name__ == "__main__":
    main()
