"""Workspaces and cells that were made before anybody asked for them are as good as new ones."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.sandboxes.contract import gone, make, shell

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import namespaces_ahead
from worktrial.sandboxes.namespaces import Namespaces
from worktrial.sandboxes.namespaces_orders import open_order
from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.protocol import Command, Mount
from worktrial.sandboxes.select import probe_namespaces
from worktrial.sandboxes.usage import descendants

PROBE = probe_namespaces()
pytestmark = pytest.mark.skipif(not PROBE.works, reason=f"no namespaces here: {PROBE.cause}")
LIMITS = TrialLimits(memory_mib=200, disk_mib=32, processes=40)


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return hand_over(make(tmp_path / "layer", {"a": "first", "deep/b": "first"}))


class Bench:
    """A backend, and what was opened in it."""

    def __init__(self) -> None:
        self.sandbox = Namespaces(pool=2)
        self.opened: list[Any] = []

    async def open(self, *layers: Path, **limits: object) -> Any:
        self.opened.append(await self.sandbox.open(layers, LIMITS.model_copy(update=limits)))
        return self.opened[-1]

    async def held_ready(self, layer: Path) -> Any:
        """Open two of a kind, have the next of it made ahead, and return the second."""
        await self.open(layer)
        two = await self.open(layer)
        assert await gone(lambda: len(self.sandbox._ahead._ready) < 2)
        return two


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    yield made
    for workspace in made.opened:
        await workspace.close()


async def say(workspace: Any, script: str) -> str:
    done = await workspace.run(shell(script))
    assert done.exit_code == 0, done
    return str(done.output.decode())


async def test_what_was_written_in_one_is_not_in_the_next_that_was_ready_by_then(bench: Bench, layer: Path) -> None:
    two = await bench.held_ready(layer)
    await say(two, "echo changed > a; echo x > /tmp/x; echo x > ~/x; echo x > /dev/shm/x")
    three = await bench.open(layer)
    assert three._opened.in_group == (three._opened.group is not None)
    assert await say(three, "cat a; ls /tmp ~ /dev/shm") == "first/dev/shm:\n\n/home/agent:\n\n/tmp:\n"
    assert await three.changes() == ()


async def test_a_change_of_a_layer_is_seen_in_a_workspace_that_was_ready_before(bench: Bench, layer: Path) -> None:
    await bench.held_ready(layer)
    (layer / "deep/b").write_text("later")
    (layer / "deep/c").write_text("new")
    assert await say(await bench.open(layer), "cat deep/b deep/c") == "laternew"


async def test_another_folder_in_the_place_of_a_layer_is_what_is_seen(bench: Bench, layer: Path) -> None:
    await bench.held_ready(layer)
    shutil.rmtree(layer)
    hand_over(make(layer, {"a": "second"}))
    assert await say(await bench.open(layer), "cat a; ls") == "seconda\n"


async def test_other_limits_or_layers_never_get_what_was_made_for_these(
    bench: Bench, layer: Path, tmp_path: Path
) -> None:
    await bench.held_ready(layer)
    other = hand_over(make(tmp_path / "other", {"a": "other"}))
    assert await say(await bench.open(other), "cat a") == "other"
    smaller = await bench.open(layer, disk_mib=1)
    assert (await smaller.run(shell("head -c 2000000 /dev/zero > big"))).ended == "disk_full"


async def test_a_command_runs_though_the_cell_that_waited_for_it_was_killed(bench: Bench, layer: Path) -> None:
    workspace = await bench.held_ready(layer)
    os.kill(workspace._waiting.pid, signal.SIGKILL)
    assert await gone(lambda: workspace._waiting.pid in descendants(os.getpid()))
    assert await say(workspace, "cat a") == "first"


async def test_no_cell_is_given_to_two_workspaces_when_one_of_them_is_not_wanted_any_more(
    bench: Bench, layer: Path
) -> None:
    order = open_order((layer,), 32, cell=True)
    await bench.held_ready(layer)
    for _ in range(20):
        bench.sandbox.spawner.order(order).close()
        await say(await bench.open(layer), "test $(cat a) = first")


async def test_one_that_is_closed_without_any_command_leaves_no_process_and_no_group(layer: Path) -> None:
    sandbox = Namespaces(pool=0)
    keeps = await sandbox.open((), LIMITS)
    await keeps.run(shell("true"))
    before = len(descendants(os.getpid()))
    for _ in range(5):
        await (await sandbox.open((layer,), LIMITS)).close()
    assert await gone(lambda: len(descendants(os.getpid())) > before)
    places = sandbox._holding._cgroups._places if sandbox._holding._cgroups else ()
    assert await gone(lambda: any(len([each for each in os.scandir(at) if each.is_dir()]) > 1 for _, at in places))
    await keeps.close()


async def test_where_warm_interpreters_do_all_the_work_no_cells_are_made_ahead(bench: Bench, layer: Path) -> None:
    for _ in range(3):
        await (await bench.open(layer)).close()
    idle = await bench.held_ready(layer)
    assert idle._waiting is None
    assert await say(idle, "cat a") == "first"
    for workspace in bench.opened:
        await workspace.close()
    for _ in range(4):
        at_work = await bench.open(layer)
        await say(at_work, "true")
        await at_work.close()
    assert (await bench.held_ready(layer))._waiting is not None


class TestWhatACommandIsShownBesides:
    """A cell made ahead is shown what the first commands before it saw, and drops its rights then, for good."""

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """A folder that does not lie where a sandbox has files of its own."""
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="worktrial-test-") as folder:
            Path(folder).chmod(0o755)
            yield Path(folder)

    @pytest_asyncio.fixture
    async def tool(self, bench: Bench, layer: Path, place: Path) -> Path:
        """A folder that commands in three workspaces were shown, so that it is shown ahead from now on."""
        tool = make(place / "tool", {"version": "1"})
        for _ in range(3):
            workspace = await bench.open(layer)
            await self.look(workspace, tool)
            await workspace.close()
        await bench.held_ready(layer)
        return tool

    async def look(self, workspace: Any, tool: Path) -> str:
        command = Command(("cat", str(tool / "version")), 20, mounts=(Mount(tool),))
        done = await workspace.run(command)
        return str(done.output.decode())

    async def test_it_is_there(self, bench: Bench, layer: Path, tool: Path) -> None:
        workspace = await bench.open(layer)
        ready = workspace._waiting
        assert workspace._opened.view["mounts"][0]["path"] == str(tool)
        assert await self.look(workspace, tool) == "1"
        assert ready is not None
        assert workspace._waiting is None
        assert await say(workspace, f"test ! -e {tool}; cat a") == "first"

    async def test_a_command_that_is_to_see_something_else_does_not_see_it(
        self, bench: Bench, layer: Path, tool: Path
    ) -> None:
        other = make(tool.parent / "other", {"version": "2"})
        workspace = await bench.open(layer)
        assert await self.look(workspace, other) == "2"
        done = await (await bench.open(layer)).run(shell(f"test -e {tool}"))
        assert done.exit_code == 1

    async def test_what_lies_inside_a_workspace_leaves_no_folder_in_the_next(
        self, bench: Bench, layer: Path, tmp_path: Path
    ) -> None:
        tool = make(tmp_path / "tool", {"version": "1"})
        assert str(tool).startswith("/tmp/")
        for _ in range(3):
            workspace = await bench.open(layer)
            assert await self.look(workspace, tool) == "1"
            await workspace.close()
        await bench.held_ready(layer)
        assert await say(await bench.open(layer), "ls -A /tmp") == ""

    async def test_another_folder_in_its_place_is_what_is_seen(self, bench: Bench, layer: Path, tool: Path) -> None:
        shutil.rmtree(tool)
        make(tool, {"version": "2"})
        assert await self.look(await bench.open(layer), tool) == "2"

    async def test_one_that_is_gone_is_an_error_of_that_command_alone(
        self, bench: Bench, layer: Path, tool: Path
    ) -> None:
        shutil.rmtree(tool)
        workspace = await bench.open(layer)
        with pytest.raises(SandboxError, match="could not show"):
            await self.look(workspace, tool)
        assert await say(workspace, "cat a") == "first"

    async def test_what_is_held_read_only_is_held_in_the_next_as_well(self, bench: Bench, layer: Path) -> None:
        command = Command(("sh", "-c", "echo x > a; echo y > deep/b; cat a deep/b"), 20, read_only=("a",))
        for _ in range(3):
            workspace = await bench.open(layer)
            await workspace.run(command)
            await workspace.close()
        await bench.held_ready(layer)
        workspace = await bench.open(layer)
        assert workspace._opened.view["read_only"] == ["a"]
        assert (await workspace.run(command)).output.endswith(b"firsty\n")


async def test_what_nobody_has_used_for_long_is_let_go(
    bench: Bench, layer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await bench.held_ready(layer)
    monkeypatch.setattr(namespaces_ahead, "_IDLE_S", 0.05)
    bench.sandbox._ahead.touch()
    assert await gone(lambda: bool(bench.sandbox._ahead._ready))
    assert await say(workspace, "cat a") == "first"
