"""Where groups can be made is read from the kernel's own tables."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from worktrial.sandboxes.hierarchies import Mounted, find, own_folder, parse_mounts, parse_own

HYBRID = r"""
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:7 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
42 31 0:39 / /odd\040place rw - cgroup cgroup rw,pids
""".lstrip()


def test_every_mounted_hierarchy_is_found_with_its_controllers() -> None:
    found = {mount.point: (mount.version, mount.controllers) for mount in parse_mounts(HYBRID)}
    assert found == {
        Path("/sys/fs/cgroup/cpu,cpuacct"): (1, {"cpu", "cpuacct"}),
        Path("/sys/fs/cgroup/memory"): (1, {"memory"}),
        Path("/sys/fs/cgroup/systemd"): (1, {"name=systemd"}),
        Path("/sys/fs/cgroup/unified"): (2, frozenset()),
        Path("/odd place"): (1, {"pids"}),
    }


def test_our_own_groups_are_found_by_controller() -> None:
    own = parse_own("4:memory:/a:b\n2:cpu,cpuacct:/c\n1:name=systemd:/d\n0::/user.slice/x.scope\n")
    assert own == {"memory": "/a:b", "cpu": "/c", "cpuacct": "/c", "name=systemd": "/d", "": "/user.slice/x.scope"}


def test_the_folder_of_a_group_is_below_the_mount_that_shows_it(tmp_path: Path) -> None:
    (tmp_path / "inner" / "more").mkdir(parents=True)

    def at(root: str) -> Mounted:
        return Mounted(2, frozenset(), tmp_path, root)

    assert own_folder(at("/"), "/inner") == tmp_path / "inner"
    assert own_folder(at("/"), "/") == tmp_path
    assert own_folder(at("/docker/1"), "/docker/1") == tmp_path
    assert own_folder(at("/docker/1"), "/docker/1/inner/more") == tmp_path / "inner/more"
    assert own_folder(at("/docker/1"), "/docker/12/inner") == tmp_path, "another group with a name that begins alike"
    assert own_folder(at("/"), "/not/there") == tmp_path, "a container that sees the paths of its host"


@given(st.text(), st.text())
def test_tables_of_any_shape_are_read_without_failing(mountinfo: str, cgroup: str) -> None:
    parse_mounts(mountinfo)
    parse_own(cgroup)


def test_a_machine_without_groups_has_no_place_and_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("23 1 0:21 / /sys rw - sysfs sysfs rw\n")
    (tmp_path / "cgroup").write_text("")
    found = find(tmp_path)
    assert (found.places, found.jobs) == ((), frozenset())
    assert found.cause == "no control groups are mounted"


def test_a_group_that_is_not_ours_to_write_to_is_no_place(tmp_path: Path) -> None:
    """Which is what an ordinary user sees, and a container with a read-only mount."""
    (tmp_path / "mountinfo").write_text(f"9 1 0:9 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n")
    (tmp_path / "cgroup").write_text("4:memory:/\n")
    found = find(tmp_path)
    assert found.places == ()
    assert found.cause == f"{tmp_path}/memory is not ours to write to"
