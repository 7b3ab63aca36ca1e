"""The widened contract for workspaces that are folders of the host: in the tiers `landlock` and `none`."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.sandboxes.contract import LIMITS, gone, make, open_files, python, shell, sleepers

from worktrial.errors import SandboxError
from worktrial.sandboxes import landlock
from worktrial.sandboxes.landlock import Landlock
from worktrial.sandboxes.protocol import Mount, Sandbox, Workspace
from worktrial.sandboxes.unconfined import Unconfined


@pytest.fixture(params=["landlock", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    if request.param == "none":
        return Unconfined()
    probe = landlock.probe()
    if not probe.works:
        pytest.skip(f"no Landlock here: {probe.cause}")
    return Landlock()


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return make(tmp_path / "layer", {"a": "a", "d/b": "b", "d/c": "c", "e/f": "f", "g/h/i": "i", "same": "same"})


@pytest_asyncio.fixture
async def workspace(sandbox: Sandbox, layer: Path) -> AsyncIterator[Workspace]:
    opened = await sandbox.open((layer,), LIMITS)
    yield opened
    await opened.close()


CHANGE = (
    "set -e; echo more >> a; rm d/b; rm -r e g; mkdir empty new; echo n > new/n; ln -s a link; printf same > x;"
    "cp x same; rm x; chmod 755 d/c; echo f > g"
)
CHANGED = [
    ("a", "written"), ("d/b", "removed"), ("d/c", "written"), ("e", "removed"), ("empty", "written"), ("g", "written"),
    ("link", "written"), ("new/n", "written"),
]  # fmt: skip


async def listing(workspace: Workspace) -> bytes:
    script = "find . -mindepth 1 -printf '%P %y %m %l\\n' | sort; cat a g new/n"
    return (await workspace.run(shell(script))).output


async def test_changes_are_what_differs_from_the_layers(workspace: Workspace) -> None:
    assert await workspace.changes() == ()
    assert (await workspace.run(shell(CHANGE))).exit_code == 0
    assert [(change.path, change.kind) for change in await workspace.changes()] == CHANGED


async def test_a_change_that_sets_size_and_time_back_is_one_all_the_same(workspace: Workspace) -> None:
    await workspace.run(shell("touch -r a stamp; printf z > a; touch -r stamp a; rm stamp"))
    assert [change.path for change in await workspace.changes()] == ["a"]


async def test_a_workspace_over_a_snapshot_has_the_same_files(
    sandbox: Sandbox, workspace: Workspace, layer: Path, tmp_path: Path
) -> None:
    await workspace.run(shell(CHANGE + "; mkfifo pipe"))
    folder = await workspace.snapshot(tmp_path / "snapshot")
    again = await sandbox.open((folder, layer), LIMITS)
    try:
        await workspace.run(shell("rm pipe"))
        assert await listing(again) == await listing(workspace)
        assert await again.changes() == ()
    finally:
        await again.close()


async def test_a_snapshot_has_no_setuid_bits_and_is_ours(workspace: Workspace, tmp_path: Path) -> None:
    await workspace.run(shell("cp /bin/true tool; chmod 6755 tool"))
    tool = (await workspace.snapshot(tmp_path / "snapshot")) / "tool"
    assert stat.S_IMODE(tool.stat().st_mode) == 0o755
    assert tool.stat().st_uid == os.geteuid()


async def test_a_fork_has_the_files_and_goes_its_own_way(workspace: Workspace) -> None:
    await workspace.run(shell(CHANGE + "; echo t > $TMPDIR/t; echo h > $HOME/h"))
    fork = await workspace.fork()
    try:
        assert await listing(fork) == await listing(workspace)
        assert [(change.path, change.kind) for change in await fork.changes()] == CHANGED
        assert (await fork.run(shell("cat $TMPDIR/t $HOME/h"))).output == b"t\nh\n"
        await fork.run(shell("echo theirs > a"))
        assert await workspace.read("a") == b"amore\n"
    finally:
        await fork.close()


async def test_files_are_read_and_written_as_inside(workspace: Workspace) -> None:
    await workspace.write("new/folder/file", b"\0data")
    assert await workspace.read("new/folder/file") == b"\0data"
    assert await workspace.read(str(workspace.root / "new/folder/file")) == b"\0data"
    await workspace.run(shell("ln -s new/folder/file link; ln -s $PWD/a absolute"))
    await workspace.write("link", b"through")
    assert await workspace.read("new/folder/file") == b"through"
    assert await workspace.read("absolute") == b"a"


async def test_what_cannot_be_read_says_why(workspace: Workspace) -> None:
    await workspace.run(shell("mkfifo pipe; truncate -s 2M big; ln -s pipe link; ln -s loop loop"))
    for path in ("nothing", "pipe", "link", "loop", "d", "big", "/dev/zero"):
        with pytest.raises(SandboxError, match="could not read"):
            await workspace.read(path)
    with pytest.raises(SandboxError, match="could not write"):
        await workspace.write("a/b", b"")


async def test_a_command_can_live_on_while_others_run(workspace: Workspace) -> None:
    process = await workspace.start(
        python("import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)")
    )
    await process.send(b"one\n")
    assert await process.receive() == b"ONE\n"
    assert (await workspace.run(shell("cat a"))).output == b"a"
    await process.send(b"two\n")
    assert await process.receive() == b"TWO\n"
    await process.kill()
    assert (await process.wait()).exit_code is not None
    with pytest.raises(SandboxError):
        await process.send(b"three\n")


async def test_how_a_lasting_command_ended_and_what_it_complained_of_are_told(workspace: Workspace) -> None:
    process = await workspace.start(shell("cat; echo wrong >&2; exit 3", stdin=b"given"))
    assert await process.receive() == b"given"
    await process.kill()
    process = await workspace.start(shell("echo out; echo wrong >&2; exit 3"))
    ended = await process.wait()
    assert (ended.exit_code, ended.output, await process.receive()) == (3, b"wrong\n", b"out\n")


async def test_closing_ends_what_was_started_and_lets_go_of_all(sandbox: Sandbox) -> None:
    before, seconds = open_files(), f"47.{os.getpid()}"
    opened = await sandbox.open((), LIMITS)
    await opened.start(shell(f"(setsid sleep {seconds} &); sleep {seconds}", 60))
    assert await gone(lambda: len(sleepers(seconds)) < 2)
    await opened.close()
    assert await gone(lambda: bool(sleepers(seconds)))
    assert await gone(lambda: open_files() > before)
    assert not opened.root.parent.exists()


async def test_in_standby_nothing_goes_on_and_the_next_call_resumes(workspace: Workspace) -> None:
    ticking = "import time\nwhile True:\n open('ticks', 'a').write('x'); time.sleep(0.01)"
    process = await workspace.start(python(ticking, 60))
    ticks = workspace.root / "ticks"
    assert await gone(lambda: not ticks.exists())
    await workspace.standby()
    await asyncio.sleep(0.1)
    before = ticks.stat().st_size
    await asyncio.sleep(0.3)
    assert ticks.stat().st_size == before
    await workspace.run(shell("true"))
    assert await gone(lambda: ticks.stat().st_size == before)
    await workspace.standby()
    await process.kill()


async def test_too_much_on_the_disk_is_told_apart_and_room_can_be_made(workspace: Workspace) -> None:
    done = await workspace.run(shell("dd if=/dev/zero of=big bs=1M count=33; sleep 20"))
    assert done.ended == "disk_full"
    await workspace.run(shell("rm -f big"))
    assert (await workspace.run(shell("echo x > small"))).ended == "completed"


async def test_so_are_very_many_files(workspace: Workspace) -> None:
    script = "import os, time\nfor n in range(9000): os.close(os.open(f'f{n}', os.O_CREAT))\ntime.sleep(30)"
    assert (await workspace.run(python(script, 60))).ended == "disk_full"


async def test_processor_time_is_bounded(sandbox: Sandbox) -> None:
    opened = await sandbox.open((), LIMITS.model_copy(update={"cpu_s": 1}))
    try:
        assert (await opened.run(shell("while :; do :; done", 60))).ended == "cpu_exhausted"
    finally:
        await opened.close()


async def test_a_writable_mount_is_ours_afterwards_without_setuid_bits(workspace: Workspace, tmp_path: Path) -> None:
    if workspace.tier == "none":
        pytest.skip("nothing is kept from writing there")
    folder = make(tmp_path / "shown", {"file": "x"})
    script = f"cd {folder} && cat file && mkdir d && cp /bin/true d/tool && chmod 6755 d/tool"
    done = await workspace.run(shell(script, mounts=(Mount(folder, writable=True),)))
    assert done.output == b"x"
    tool = (folder / "d/tool").stat()
    assert tool.st_uid == os.geteuid()
    assert os.geteuid() != 0 or stat.S_IMODE(tool.st_mode) == 0o755


async def test_every_workspace_of_root_s_has_a_user_of_its_own(sandbox: Sandbox) -> None:
    if sandbox.tier == "none" or os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    opened = [await sandbox.open((), LIMITS) for _ in range(3)]
    users = {(await each.run(shell("id -u; grep CapEff /proc/self/status"))).output for each in opened}
    assert len(users) == 3
    assert all(said.endswith(b"\t0000000000000000\n") and not said.startswith(b"0\n") for said in users)
    for each in opened:
        await each.close()


async def test_a_hole_in_a_file_stays_one_in_a_snapshot(tmp_path: Path) -> None:
    """A file of many GiB that holds next to nothing must not fill the disk."""
    workspace = await Unconfined().open((), LIMITS.model_copy(update={"disk_mib": 40 * 1024}))
    try:
        await workspace.run(shell("echo begin > hole; truncate -s 30G hole; echo end >> hole"))
        copied = await workspace.snapshot(tmp_path / "snapshot") / "hole"
        assert copied.stat().st_size == 30 * 2**30 + 4
        assert copied.stat().st_blocks * 512 < 2**20
        with copied.open("rb") as file:
            assert file.read(6) == b"begin\n"
            file.seek(-4, os.SEEK_END)
            assert file.read() == b"end\n"
    finally:
        await workspace.close()
