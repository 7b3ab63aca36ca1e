"""What a trial costs beside agent and tests: the controls on a validated suite, three trials each."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from worktrial.store.run import RunDir
from worktrial.store.suite import Suite


def main() -> None:
    """Make a suite of the repository's newest candidates, or take one, and run `oracle` and `nop` on it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, help="repository to make a suite of")
    parser.add_argument("--suite", type=Path, help="a validated suite, instead")
    parser.add_argument("--limit", type=int, default=8, help="newest candidates to validate")
    parser.add_argument("--trials", type=int, default=3)
    given = parser.parse_args()
    if given.repo is None and given.suite is None:
        parser.error("give --repo or --suite")
    worktrial = [sys.executable, "-m", "worktrial"]
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        suite = given.suite or Path(folder) / "suite"
        if given.suite is None:
            subprocess.run([*worktrial, "mine", str(given.repo), "--suite", str(suite)], check=True)
            subprocess.run([*worktrial, "validate", str(suite), "--limit", str(given.limit)], check=True)
        out = Path(folder) / "run"
        agents = ["--agent", "oracle", "--agent", "nop", "--trials", str(given.trials), "--json"]
        printed = subprocess.run(
            [*worktrial, "run", str(suite), *agents, "--out", str(out)], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        # The first trial of a task also lays its base tree down, once for all that follow; it counts like any other.
        overheads = [entry.overhead_s for entry in RunDir(out).journal if entry.overhead_s is not None]
        tasks = len(Suite(suite).task_ids())
    print(printed.splitlines()[-1])
    ranked = statistics.quantiles(overheads, n=20, method="inclusive")
    print(
        json.dumps(
            {
                "trials": len(overheads),
                "tasks": tasks,
                "overhead_ms_p50": round(statistics.median(overheads) * 1000, 1),
                "overhead_ms_p95": round(ranked[-1] * 1000, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
