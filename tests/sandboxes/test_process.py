"""One process under watch."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from worktrial.formats.evidence import Ended
from worktrial.sandboxes.process import REPORT_FD, Bounds
from worktrial.sandboxes.spawned import Spawn

BOUNDS = Bounds(timeout_s=60, memory_mib=512, processes=40, output_mib=1)


async def test_what_goes_wrong_while_a_process_is_looked_at_ends_it_and_is_raised(tmp_path: Path) -> None:
    def look() -> Ended | None:
        raise PermissionError(13, "nobody may look")

    began = time.monotonic()
    with pytest.raises(PermissionError, match="nobody may look"):
        await Spawn(["sleep", "50"], env=os.environ, bounds=BOUNDS, cwd=tmp_path, ask=look).run()
    assert time.monotonic() - began < 40  # it was not left to end by itself


async def test_all_that_was_said_before_the_end_is_heard(tmp_path: Path) -> None:
    script = f"import os; os.write(1, bytes(300000)); open(int(os.environ['{REPORT_FD}']), 'wb').write(bytes(700000))"
    argv = [sys.executable, "-c", script]
    done = await Spawn(argv, env=os.environ, bounds=BOUNDS, cwd=tmp_path, report=True).run()
    assert (done.exit_code, len(done.output), len(done.report)) == (0, 300000, 700000)
