"""What mining a whole history costs, against what git itself needs to walk it.

`make bench NAME=mine REPO=PATH`. Both are run in turn, several times, on the same commits; the medians of their CPU
time (user and system, the process and its children) are compared. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPETITIONS = 5
GIT_LOG = ("log", "--raw", "--numstat", "-M")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, required=True, help="a local clone")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    options = parser.parse_args()
    git = ("git", "-C", str(options.repo))
    commits = int(
        subprocess.run([*git, "rev-list", "--count", "--no-merges", "HEAD"], check=True, capture_output=True).stdout
    )
    mined, walked, candidates = [], [], 0
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        for turn in range(options.repetitions):
            walked.append(cpu_s([*git, *GIT_LOG]))
            result = Path(folder) / f"{turn}.json"
            mine = [sys.executable, "-m", "worktrial", "mine", str(options.repo), "--max-commits", "0", "--json"]
            mined.append(cpu_s([*mine, "--suite", str(Path(folder) / str(turn))], result))
            candidates = json.loads(result.read_text().splitlines()[-1])["candidates"]
            print(f"turn {turn + 1}: mine {mined[-1]:.2f} s, git log {walked[-1]:.2f} s of CPU")
    cost, base = statistics.median(mined), statistics.median(walked)
    print(
        json.dumps(
            {
                "commits": commits,
                "candidates": candidates,
                "cpu_s": round(cost, 3),
                "git_log_cpu_s": round(base, 3),
                "ratio": round(cost / base, 2),
            }
        )
    )


def cpu_s(command: list[str], output: Path | None = None) -> float:
    """Run a command and return the CPU seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with (output or Path("/dev/null")).open("wb") as out:
        subprocess.run(command, check=True, stdout=out, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
