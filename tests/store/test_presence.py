"""Who is at work in a folder, as others see it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from worktrial.errors import UsageError
from worktrial.store.presence import BEAT_S, NAME, Presence, presence, working_in

HOLD = """
import os, sys, time
from pathlib import Path
from worktrial.store.presence import working_in
with working_in(Path(sys.argv[1])):
    if sys.argv[2:] == ["with a child"] and os.fork() == 0:
        time.sleep(60)  # a child that outlives it, and knows nothing of this
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """Another process at work in the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), *getattr(request, "param", ())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def gone(folder: Path) -> Presence:
    end = time.monotonic() + 10
    while (found := presence(folder)) and found.held and time.monotonic() < end:
        time.sleep(0.02)
    assert found
    return found


def test_nobody_was_ever_there(tmp_path: Path) -> None:
    assert presence(tmp_path) is None
    assert presence(tmp_path / "none") is None


def test_whoever_is_at_work_is_seen_and_looking_does_not_stand_in_the_way(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    found = presence(tmp_path)
    assert found
    assert found.held
    assert found.at_work
    assert found.host == os.uname().nodename
    assert abs((datetime.now(UTC) - found.seen_at).total_seconds()) < 60
    assert presence(tmp_path) == found


def test_two_cannot_work_in_one_folder(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with pytest.raises(UsageError, match="another process is at work") as raised, working_in(tmp_path):
        pass
    assert os.uname().nodename in raised.value.cause


@pytest.mark.parametrize("holder", [(), ("with a child",)], indirect=True)
def test_a_kill_ends_it_whatever_children_live_on(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not gone(tmp_path).at_work
    with working_in(tmp_path):
        pass


def test_a_machine_whose_locks_are_not_seen_is_taken_at_its_last_sign_of_life(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("another-machine\n")
    found = presence(tmp_path)
    assert found
    assert (found.held, found.at_work) == (False, True)
    os.utime(tmp_path / NAME, (time.time() - 10 * BEAT_S, time.time() - 10 * BEAT_S))
    found = presence(tmp_path)
    assert found
    assert not found.at_work


def test_a_folder_that_was_left_in_peace_has_nobody_at_work(tmp_path: Path) -> None:
    with working_in(tmp_path / "new"):
        pass
    found = presence(tmp_path / "new")
    assert found
    assert not found.at_work


def test_looking_needs_no_right_to_write(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    if os.geteuid() != 0:
        (tmp_path / NAME).chmod(0o444)
    script = (
        "import os, sys; from pathlib import Path; from worktrial.store.presence import presence\n"
        "if os.geteuid() == 0: os.chmod(sys.argv[1], 0o755); os.setuid(65534)\n"
        "print(presence(Path(sys.argv[1])).held)"
    )
    for folder in tmp_path.parents:
        if os.geteuid() == 0 and folder.stat().st_uid == 0 and "pytest" in str(folder):
            folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
