"""Attacks on the host's files from inside a sandbox."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from tests.attacks.tiers import KNOWN, Opener, attack, let_through, reached, unconfined
from tests.sandboxes.contract import make

from worktrial.sandboxes import packages
from worktrial.sandboxes.protocol import Mount, Sandbox
from worktrial.store.cache import cache_dir

READ = """
def look(name, path):
    with attempt():
        if os.path.isdir(path):
            os.listdir(path)
        else:
            open(path, "rb").read(1)
        reached(name)
for path in sys.argv[1:]:
    look(path, path)
    for way in ("/proc/self/root", "/proc/1/root", f"/proc/{os.getppid()}/root", "/proc/self/cwd/../../../../../.."):
        look(path, way + path)
    with attempt():
        os.symlink(path, "link")
        look(path, "link")
    with attempt():
        os.unlink("link")
    with attempt():
        os.link(path, "hard")
        look(path, "hard")
    with attempt():
        os.unlink("hard")
    with attempt():
        top = os.open("/", os.O_PATH)
        look(path, f"/proc/self/fd/{os.open(path, os.O_PATH)}")
        os.chroot("/proc/1/root")
"""


async def test_the_host_s_files_cannot_be_read(sandbox: Sandbox, opened: Opener, tmp_path: Path) -> None:
    """A decoy in a temporary folder, one in another tree of the cache, and what is worth most."""
    tmp_path.chmod(0o755)
    decoy = make(tmp_path / "decoy", {"key": "k"})
    other = cache_dir() / "trees" / f"decoy-{tmp_path.name}-{os.getpid()}" / "files"
    make(other, {"hidden_test.py": "x"})
    decoys = [str(decoy), str(decoy / "key"), str(other), str(other / "hidden_test.py")]
    homes = [str(path) for path in Path("/home").iterdir()] if Path("/home").exists() else []
    worth = ["/etc/shadow", "/root", str(Path.home()), "/root/.ssh", "/var/log", "/run", "/boot", "/sys/kernel", *homes]
    assert await unconfined(attack(READ, *decoys)) == set(decoys)
    done = await (await opened()).run(attack(READ, *decoys, *worth))
    # A container has folders of its own by these names.
    allowed = {"/root", "/run", "/var/log", "/boot", "/sys/kernel"} if sandbox.tier in ("docker", "podman") else set()
    assert reached(done) <= allowed


UNCOVER = """
for path in sys.argv[1:]:
    for folder in (path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        libc.umount2(folder.encode(), 2)
libc.unshare(0x10020000)
for path in sys.argv[1:]:
    for folder in (os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        libc.umount2(folder.encode(), 2)
"""


async def test_packages_beside_an_environment_cannot_be_read(opened: Opener, tmp_path: Path) -> None:
    """One of them may be the task's own next release. All else of an installation, and what is shown in it, can."""
    tmp_path.chmod(0o755)
    files = dict.fromkeys(("os.py", "site-packages/shop/price.py", "site-packages/given/it.py"), "x")
    files["ensurepip/_bundled/pip.whl"] = "x"
    make(tmp_path / "installed/lib/python3.11", dict(files))
    prefix = tmp_path / "linked"
    prefix.symlink_to("installed")
    (tmp_path / "installed/lib64").symlink_to("lib")
    shown, hidden, given, bundled = (prefix / "lib/python3.11" / name for name in files)
    secret = [hidden, bundled, prefix / "lib64/python3.11/site-packages/shop/price.py"]
    secret += [
        path for folder in (*packages.of_system(), *packages.below(Path(sys.base_prefix))) for path in some(folder)
    ]
    assert len(secret) > 3, "this machine has no packages of its own to try"
    assert await unconfined(attack(READ, *secret)) == set(map(str, secret))
    workspace = await opened()
    mounts = (*packages.installation(prefix), Mount(given))
    done = await workspace.run(attack(UNCOVER + READ, shown, given, *secret, mounts=mounts))
    assert reached(done) == {str(shown), str(given)}
    # What somebody names is shown: a whole folder of packages, or a file of one.
    named = (hidden.parents[1], secret[-1])
    done = await workspace.run(attack(READ, *secret, mounts=(*mounts, *map(Mount, named))))
    assert reached(done) == {str(hidden), str(secret[2]), str(secret[-1])}


def some(folder: Path) -> list[Path]:
    """Return a file below `folder`, if there is one."""
    return next(([path] for path in sorted(folder.rglob("*.*")) if path.is_file() and not path.is_symlink()), [])


async def test_who_builds_an_environment_has_the_tools_of_the_system(opened: Opener) -> None:
    """Building runs what a repository says, with network, and before there is any task."""
    files = [path for folder in packages.of_system() for path in some(folder)]
    assert files, "this machine has no packages of its own to try"
    command = replace(attack(READ, *files), network=True)
    assert reached(await (await opened()).run(command)) == set(map(str, files))


async def test_environment_and_keys_of_the_host_s_processes_cannot_be_read(opened: Opener) -> None:
    script = """
victim = sys.argv[1]
for name in ("environ", "mem", "maps", "auxv", "fd/0", "cwd", "root/etc/hostname", "exe", f"task/{victim}/mem"):
    with attempt():
        path = f"/proc/{victim}/{name}"
        data = os.listdir(path) if name == "cwd" else os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        reached(name)
"""
    free = await unconfined(attack(script, os.getpid()))
    assert {"environ", "maps"} <= free
    assert not reached(await (await opened()).run(attack(script, os.getpid())))


WRITE = """
def change(path, *ways):
    for way in ways:
        with attempt():
            way(path)
            reached(path)
def append(path): open(path, "ab").write(b"poison")
def through(path):
    open(f"/proc/self/fd/{os.open(path, os.O_RDONLY)}", "ab").write(b"poison")
for folder in sys.argv[1:]:
    file = os.path.join(folder, "file")
    change(file, append, through, lambda path: os.truncate(path, 0), lambda path: os.rename(path, path + "2"),
           lambda path: os.rename(path, "stolen"), lambda path: os.replace("mine", path), os.unlink)
    new = os.path.join(folder, "new")
    change(new, append, os.mkdir, os.mkfifo, lambda path: os.symlink("/", path), lambda path: os.link("mine", path),
           lambda path: socket.socket(socket.AF_UNIX).bind(path))
"""


async def test_nothing_outside_can_be_written(opened: Opener, tmp_path: Path) -> None:
    """Not what is shown read-only, not the system, not a layer, not a decoy that lies about."""
    tmp_path.chmod(0o777)
    folders = {name: make(tmp_path / name, {"file": "x"}) for name in ("shown", "layer", "decoy", "free")}
    for folder in folders.values():
        folder.chmod(0o777)
        (folder / "file").chmod(0o666)
    assert await unconfined(attack(WRITE, folders["free"])) >= {f"{folders['free']}/new"}
    assert not (folders["free"] / "file").exists()
    workspace = await opened(folders["layer"])
    mine = "open('mine', 'w').close()\n"
    system = [folder for folder in ("/usr", "/usr/bin", "/etc", "/var/lib") if not Path(folder, "file").exists()]
    shown, layer, decoy = (str(folders[name]) for name in ("shown", "layer", "decoy"))
    command = attack(mine + WRITE, shown, layer, decoy, *system, mounts=(Mount(folders["shown"]),))
    said = reached(await workspace.run(command))
    assert not {path for path in said if path.startswith((shown, *system))}
    # A container may have folders of these names of its own; the host's are as they were.
    for name in ("shown", "layer", "decoy"):
        assert sorted(path.name for path in folders[name].iterdir()) == ["file"], name
        assert (folders[name] / "file").read_text() == "x"
    assert not [folder for folder in system if os.path.lexists(f"{folder}/new")]


async def test_modes_and_times_of_the_host_s_files_cannot_be_changed(
    sandbox: Sandbox,
    opened: Opener,
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    script = """
with attempt():
    os.chmod(sys.argv[1], 0o666)
    reached("mode")
with attempt():
    os.utime(sys.argv[1], (1, 1))
    reached("times")
"""
    free, decoy = tmp_path / "free", tmp_path / "decoy"
    for path in (free, decoy):
        path.write_text("x")
        path.chmod(0o600)
    assert await unconfined(attack(script, free)) == {"mode", "times"}
    before = decoy.stat()
    await (await opened()).run(attack(script, decoy))
    as_it_was = (decoy.stat().st_mode, decoy.stat().st_mtime) == (before.st_mode, before.st_mtime)
    assert as_it_was != let_through(sandbox, "modes_and_times_of_the_host_s_files_cannot_be_changed")


async def test_kernel_settings_and_control_groups_cannot_be_written(opened: Opener) -> None:
    """They are opened for writing, which changes nothing by itself."""
    script = """
victim = f"/proc/{sys.argv[1]}/"
paths = ["/proc/sysrq-trigger", "/sys/power/state", "/sys/kernel/uevent_helper"]
paths += [victim + name for name in ("oom_score_adj", "mem", "comm", "coredump_filter", "attr/current")]
for top in ("/proc/sys", "/sys/fs/cgroup"):
    for folder, _, names in os.walk(top):
        paths += [os.path.join(folder, name) for name in names]
for path in paths:
    with attempt():
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        reached(path)
"""
    if os.geteuid() == 0:
        assert "/proc/sys/kernel/core_pattern" in await unconfined(attack(script, os.getpid()))
    assert not reached(await (await opened()).run(attack(script, os.getpid())))


async def test_devices_can_be_neither_made_nor_opened(opened: Opener) -> None:
    script = """
import stat
for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFCHR, 1, 5), (stat.S_IFBLK, 8, 0), (stat.S_IFBLK, 254, 0)):
    with attempt():
        os.mknod("node", kind | 0o666, os.makedev(major, minor))
        handle = os.open("node", os.O_RDONLY | os.O_NONBLOCK)
        reached("made")
    with attempt():
        os.unlink("node")
for name in ("mem", "kmsg", "port", "sda", "vda", "nvme0n1", "kvm", "vhost-vsock", "fuse", "loop-control", "net/tun"):
    with attempt():
        os.close(os.open("/dev/" + name, os.O_RDWR | os.O_NONBLOCK))
        reached(name)
"""
    if os.geteuid() == 0:
        assert "made" in await unconfined(attack(script))
    assert not reached(await (await opened()).run(attack(script)))


def test_the_docs_name_every_attack_that_is_let_through() -> None:
    docs = " ".join((Path(__file__).parents[2] / "docs/isolation.md").read_text().split())
    assert KNOWN
    for known in KNOWN:
        assert known.said in docs, known
