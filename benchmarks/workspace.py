"""What a fresh workspace of a repository costs, and its end after thousands of files were written in it.

From the second of a kind on they are made ahead; `create_alone_ms_p50` is what one costs where nothing is.
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
from worktrial.sandboxes.layers import tree_layer
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.protocol import Command
from worktrial.store.git import objects_dir, open_repository, scratch_repository

_WRITE = "mkdir new && cd new && seq 5000 | xargs -n 500 touch"
_LEAST_FILES = 6000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, help="without: a made-up tree of 6,000 files")
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        layer = _layer(given.repo, Path(folder))
        files = sum(1 for path in layer.rglob("*") if not path.is_dir())
        created, ended = asyncio.run(measure(Namespaces(), layer, given.rounds))
        alone, _ = asyncio.run(measure(Namespaces(pool=0), layer, given.rounds))
    figures = {"create_ms_p50": created, "create_alone_ms_p50": alone, "teardown_ms_p50": ended}
    print(json.dumps({"files": files, **{name: round(took_ms, 2) for name, took_ms in figures.items()}}))


def _layer(repo: Path | None, folder: Path) -> Path:
    if repo is None:
        from worktrial.sandboxes.owner import hand_over

        for number in range(_LEAST_FILES):
            path = folder / "layer" / str(number % 100) / f"{number}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"n = {number}\n")
        return hand_over(folder / "layer")
    repository = open_repository(repo)
    git = scratch_repository(folder / "scratch.git", objects_dir(repository))
    return tree_layer(git, repository.text("rev-parse", "HEAD^{tree}")).files


async def measure(sandbox: Namespaces, layer: Path, rounds: int) -> tuple[float, float]:
    """Return the medians of opening and of closing, in milliseconds."""
    created, ended = [], []
    for number in range(rounds + 2):
        started = time.perf_counter()
        workspace = await sandbox.open((layer,), TrialLimits())
        opened = time.perf_counter()
        done = await workspace.run(Command(("sh", "-c", _WRITE), 60))
        if done.exit_code:
            raise SystemExit(f"could not write: {done}")
        before = time.perf_counter()
        await workspace.close()
        if number >= 2:
            created.append(opened - started)
            ended.append(time.perf_counter() - before)
        await asyncio.sleep(0.05)
    return statistics.median(created) * 1000, statistics.median(ended) * 1000


if __name__ == "__main__":
    main()
