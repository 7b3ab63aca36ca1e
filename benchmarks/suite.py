"""What a repository's own test suite costs inside a sandbox, beside the same suite in a plain folder.

Both get the environment that worktrial builds for the repository, and the same command line; they take turns within one
run, so that the ratio holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from worktrial.formats.run import TrialLimits
from worktrial.languages.protocol import BuiltEnvironment, ReadFile
from worktrial.languages.python import PYTHON
from worktrial.sandboxes.layers import tree_layer
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command, Sandbox
from worktrial.sandboxes.unconfined import Unconfined
from worktrial.store.git import objects_dir, open_repository, scratch_repository

_PYTEST = ("python", "-m", "pytest", "-q", "-p", "no:cacheprovider")
_TIMEOUT_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        figures = asyncio.run(measure(given.repo, Path(folder), given.rounds))
    print(json.dumps(figures))


async def measure(repo: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Return the medians of a run inside and of one outside, in seconds, and their ratio."""
    repository = open_repository(repo)
    git = scratch_repository(folder / "scratch.git", objects_dir(repository))
    tree = tree_layer(git, repository.text("rev-parse", "HEAD^{tree}")).files
    inside, outside = Namespaces(), Unconfined()
    recipe = await PYTHON.resolve(_reader(tree), inside, tree, as_of=None)
    environment = await PYTHON.build(recipe, inside, tree)
    took: dict[str, list[float]] = {"inside": [], "outside": []}
    for number in range(rounds + 1):
        for name, sandbox in (("inside", inside), ("outside", outside)):
            took_s, last_line = await _suite(sandbox, environment, tree)
            took[name].append(took_s)
            if number == 0:
                print(f"{name}: {last_line}")
    median = {name: statistics.median(each[1:]) for name, each in took.items()}
    return {
        "inside_s_p50": round(median["inside"], 3),
        "outside_s_p50": round(median["outside"], 3),
        "ratio": round(median["inside"] / median["outside"], 3),
    }


def _reader(tree: Path) -> ReadFile:
    def read(path: str) -> str | None:
        found = tree / path
        return found.read_text("utf-8", "replace") if found.is_file() else None

    return read


async def _suite(sandbox: Sandbox, environment: BuiltEnvironment, tree: Path) -> tuple[float, str]:
    """Run the suite once in a fresh workspace; return its seconds and the line that sums it up."""
    workspace = await sandbox.open((environment.additions, tree), TrialLimits())
    try:
        active = PYTHON.activation(environment, workspace)
        env = {**active.env, "PYTHONHASHSEED": "0"}
        python = str(environment.folder / "venv" / "bin" / _PYTEST[0])
        command = Command((python, *_PYTEST[1:]), _TIMEOUT_S, env=env, mounts=active.mounts)
        started = time.perf_counter()
        done = await workspace.run(command)
        took_s = time.perf_counter() - started
    finally:
        await workspace.close()
    if done.ended != "completed" or done.exit_code not in (0, 1):
        raise SystemExit(f"the suite ended with {done}")
    return took_s, done.output.decode("utf-8", "replace").strip().splitlines()[-1]


if __name__ == "__main__":
    main()
