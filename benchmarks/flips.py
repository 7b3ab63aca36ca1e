"""How steady a suite is: the controls over several runs, and the share of shipped tests that flip over reruns."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from worktrial.formats.ledger import LedgerRun
from worktrial.store.suite import Suite


def main() -> None:
    """Mine and validate a repository, then run the controls on it again and again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", required=True, type=Path)
    parser.add_argument("--max-commits", type=int, default=600)
    parser.add_argument("--limit", type=int, default=12, help="newest candidates to validate")
    parser.add_argument("--runs", type=int, default=5, help="runs of the controls")
    parser.add_argument(
        "--trials", type=int, default=2, help="trials of the oracle per task and run: reruns of its tests"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as name:
        folder = Path(name)
        suite, jobs = folder / "suite", ("--jobs", str(given.jobs))
        _worktrial("mine", str(given.repo), "--suite", str(suite), "--max-commits", str(given.max_commits))
        _worktrial("validate", str(suite), "--limit", str(given.limit), *jobs)
        ran = [
            _worktrial("run", str(suite), "--agent", "oracle", "--trials", str(given.trials), "--out", str(out), *jobs)
            for out in (folder / f"run-{number}" for number in range(1, given.runs + 1))
        ]
        shipped = {(task.id, test) for task in Suite(suite).tasks() for test in task.tests.all()}
        oracles = [one for one in Suite(suite).ledger if isinstance(one, LedgerRun) and one.source == "oracle"]
        flipped = {(one.task, test) for one in oracles for test in one.failed}
        proofs = [proof for task in Suite(suite).task_ids() if (proof := Suite(suite).leak_proof(task)) is not None]
    print(f"tasks: {len(proofs)}; seconds per leak proof: {sorted(proof.wall_s for proof in proofs)}")
    print(f"flipped: {sorted(flipped)}")
    print(
        json.dumps(
            {
                "tests": len(shipped),
                "reruns": given.runs * given.trials,
                "flipped": len(flipped),
                "oracle": _rate(ran, "oracle"),
                "nop": _rate(ran, "nop"),
            }
        )
    )


def _rate(ran: list[dict[str, Any]], control: str) -> float:
    agents = [one["agents"][control] for one in ran]
    solved: int = sum(agent["solved"] for agent in agents)
    trials: int = sum(agent["trials"] for agent in agents)
    return round(solved / trials, 4)


def _worktrial(*args: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "worktrial", *args, "--json"]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
