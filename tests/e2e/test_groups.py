"""Tests of a group are done by one worker: what they share is made once, and daemons serve one at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import os, pathlib, time, pytest

@pytest.mark.parametrize("number", range(8))
@pytest.mark.xdist_group("together")
def test_in_a_group(number):
    pathlib.Path("workers", os.environ["PYTEST_XDIST_WORKER"]).touch()
    time.sleep(0.05)

@pytest.mark.parametrize("number", range(8))
def test_alone(number):
    time.sleep(0.05)
"""


def test_tests_of_a_group_are_done_by_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "workers").mkdir()
    begin = f"import sys; sys.path.append({str(ROOT)!r}); import pytest; sys.exit(pytest.console_main())"
    # With a temporary folder of its own: in the usual place it would also sweep up what earlier sessions left there.
    options = ["-p", "tests.e2e.groups", "-p", "no:cacheprovider", "--basetemp", str(tmp_path / "base")]
    options += ["-n", "2", "--dist", "loadgroup"]
    argv = [sys.executable, "-c", begin, *options, "test_it.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout
    assert len(list((tmp_path / "workers").iterdir())) == 1
