"""Attacks by what is left behind: links, pipes, setuid files, poison for the next trial, patches."""

from __future__ import annotations

import os
import stat
import uuid
from pathlib import Path

import pytest
from tests.attacks.tiers import LIMITS, Opener, attack, reached
from tests.e2e.workshop import Repository
from tests.sandboxes.contract import make, shell

from worktrial.errors import SandboxError
from worktrial.grade.assemble import apply_patch
from worktrial.sandboxes.layers import read_tree, tree_layer
from worktrial.sandboxes.protocol import Mount, Workspace
from worktrial.store.git import Git, GitError, objects_dir, open_repository, scratch_repository

SECRET = b"of the host"


def needs(workspace: Workspace, *methods: str) -> None:
    """Skip where a tier has only part of the contract yet."""
    if missing := [method for method in methods if not hasattr(workspace, method)]:
        pytest.skip(f"{workspace.tier} has no {', '.join(missing)}")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a file of the host that anybody may read, as far as its mode goes."""
    tmp_path.chmod(0o755)
    path = make(tmp_path / "host", {}) / "secret"
    path.write_bytes(SECRET)
    return path


LINKS = (
    "ln -s {secret} direct; ln -s direct second; ln -s {folder} folder; ln {secret} hard 2>/dev/null;"
    "mkdir way; ln -s ../../../../../../../../../../..{secret} way/up; ln -s /proc/self/root{secret} root;"
    "ln -s /proc/{pid}/root{secret} theirs; true"
)


def linking(secret: Path) -> str:
    return LINKS.format(secret=secret, folder=secret.parent, pid=os.getpid())


async def test_a_link_to_a_host_s_file_is_not_read_through(opened: Opener, secret: Path) -> None:
    workspace = await opened()
    needs(workspace, "read")
    await workspace.run(shell(linking(secret)))
    for path in ("direct", "second", "folder/secret", "hard", "way/up", "root", "theirs", str(secret), f"..{secret}"):
        with pytest.raises(SandboxError):
            assert await workspace.read(path) != SECRET


async def test_nothing_is_written_through_a_link_to_a_host_s_file(opened: Opener, secret: Path) -> None:
    workspace = await opened()
    needs(workspace, "write")
    secret.chmod(0o666)
    secret.parent.chmod(0o777)
    await workspace.run(shell(linking(secret)))
    for path in ("direct", "second", "folder/secret", "folder/new", "hard", "way/up", "root", "theirs", str(secret)):
        try:
            await workspace.write(path, b"poison")
        except SandboxError:
            continue
    assert secret.read_bytes() == SECRET
    assert os.listdir(secret.parent) == ["secret"]  # noqa: PTH208


async def test_a_link_is_in_a_snapshot_as_a_link(opened: Opener, secret: Path, tmp_path: Path) -> None:
    workspace = await opened()
    needs(workspace, "snapshot")
    await workspace.run(shell(linking(secret)))
    folder = await workspace.snapshot(tmp_path / "snapshot")
    assert (folder / "direct").is_symlink()
    regular = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in regular if path.read_bytes() == SECRET]


async def test_a_snapshot_of_files_that_move_about_has_nothing_of_the_host_s(
    opened: Opener, secret: Path, tmp_path: Path
) -> None:
    """A program swaps a folder for a link to a host's folder of the same files while it is copied."""
    workspace = await opened()
    needs(workspace, "snapshot", "start")
    swapping = f"""
import os
os.mkdir("real"); open("real/secret", "w").close(); os.symlink({str(secret.parent)!r}, "link")
print("ready", flush=True)
while True:
    for one in ("real", "link"):
        try:
            os.rename(one, "d"); os.rename("d", one)
        except OSError:
            pass
"""
    process = await workspace.start(attack(swapping))
    assert await process.receive() == b"ready\n"
    for number in range(5):
        try:
            folder = await workspace.snapshot(tmp_path / f"snapshot{number}")
        except SandboxError:
            continue  # that a file is gone again is a fair answer
        regular = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        assert not [path for path in regular if path.read_bytes() == SECRET and folder in path.resolve().parents]
    await process.kill()


async def test_setuid_files_and_devices_do_not_get_into_a_snapshot(opened: Opener, tmp_path: Path) -> None:
    """As root such a file would make whoever runs it root."""
    workspace = await opened()
    needs(workspace, "snapshot")
    done = await workspace.run(
        shell("cp /bin/sh sh; chmod 6755 sh; mkdir d; chmod 2777 d; touch d/f; mkfifo pipe; ls -l sh")
    )
    assert done.output.startswith(b"-rwsr-sr-x"), done.output
    folder = await workspace.snapshot(tmp_path / "snapshot")
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        whiteout = stat.S_ISCHR(mode) and path.lstat().st_rdev == 0
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode) or whiteout or stat.S_ISFIFO(mode)
        assert not stat.S_ISREG(mode) or not mode & (stat.S_ISUID | stat.S_ISGID), path


PLACES = """
import glob, subprocess
mark, shown = sys.argv[1:]
home, tmp = os.environ["HOME"], os.environ["TMPDIR"]
places = {".", home, tmp, os.path.dirname(os.getcwd()), os.path.dirname(tmp), shown, os.path.join(shown, "bin")}
places |= {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/run/lock", "/var/lock", "/var/crash", "/var/cache"}
places |= {"/", "/etc", "/home", "/usr/local/bin", "/usr/lib/python3/dist-packages"}
places |= set(glob.glob("/tmp/*")) | set(glob.glob("/tmp/worktrial-*/*"))
"""
POISON = (
    PLACES
    + """
number = int(mark, 16) & 0x7FFFFFFF
for place in sorted(places):
    with attempt():
        open(os.path.join(place, mark), "w").write("poison")
        reached(place)
libc.shmget(number, 4096, 0o1666)
libc.semget(number, 1, 0o1666)
libc.msgget(number, 0o1666)
with attempt():
    ctypes.CDLL("librt.so.1").mq_open(("/" + mark).encode(), os.O_CREAT | os.O_RDWR, 0o666, None)
if os.fork() == 0:
    os.setsid()
    for handle in range(3):
        os.close(handle)
    with attempt():
        held = socket.socket(socket.AF_UNIX)
        held.bind("\\0" + mark)
        held.listen()
    with attempt():
        server = socket.create_server(("127.0.0.1", 20000 + number % 20000))
    os.execve("/bin/sleep", ["sleep", "30." + str(number)], {})
"""
)
LOOK = (
    PLACES
    + """
number = int(mark, 16) & 0x7FFFFFFF
for place in sorted(places):
    with attempt():
        if os.path.lexists(os.path.join(place, mark)) or mark in os.listdir(place):
            reached(place)
for call in (libc.shmget, libc.semget):
    if call(number, 1, 0) >= 0:
        reached("memory or a semaphore by key")
if libc.msgget(number, 0) >= 0:
    reached("a queue by key")
with attempt():
    if ctypes.CDLL("librt.so.1").mq_open(("/" + mark).encode(), os.O_RDONLY) >= 0:
        reached("a queue by name")
with attempt():
    socket.socket(socket.AF_UNIX).connect("\\0" + mark)
    reached("an abstract socket")
for entry in os.listdir("/proc"):
    with attempt():
        if f"30.{number}".encode() in open(f"/proc/{entry}/cmdline", "rb").read():
            reached("a process")
"""
)


async def test_what_one_trial_poisons_the_next_does_not_see(opened: Opener, tmp_path: Path) -> None:
    """In every place that either can write to, by files, by name in memory, by sockets and by what stays running."""
    tmp_path.chmod(0o755)
    mark = uuid.uuid4().hex
    shown, layer = make(tmp_path / "environment", {"bin/python": "x"}), make(tmp_path / "layer", {"a": "a"})
    first = await opened(layer)
    left = reached(await first.run(attack(POISON, mark, shown, mounts=(Mount(shown),))))
    assert "." in left, "it wrote nothing, and so proved nothing"
    beside = await opened(layer)
    found = reached(await beside.run(attack(LOOK, mark, shown, mounts=(Mount(shown),))))
    await first.close()
    after = await opened(layer)
    found |= reached(await after.run(attack(LOOK, mark, shown, mounts=(Mount(shown),))))
    assert not found
    assert not list(tmp_path.rglob(mark))


async def test_the_same_poison_is_seen_by_the_next_where_nothing_is_isolated(tmp_path: Path) -> None:
    """Two commands of one workspace: what the second finds is what it looks for."""
    from worktrial.sandboxes.unconfined import Unconfined

    mark = uuid.uuid4().hex
    workspace = await Unconfined().open((), LIMITS)
    try:
        script = "open(os.path.join(os.environ['TMPDIR'], sys.argv[1]), 'w').close()\nopen(sys.argv[1], 'w').close()"
        await workspace.run(attack(script, mark))
        assert len(reached(await workspace.run(attack(LOOK, mark, tmp_path)))) >= 2
    finally:
        await workspace.close()


# -- trees and patches --


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    made.commit("Start", {"a.py": "x = 1\n", "d/b.py": "y = 1\n"})
    return made


@pytest.fixture
def git(repository: Repository, tmp_path: Path) -> Git:
    return scratch_repository(tmp_path / "scratch.git", objects_dir(open_repository(repository.path)))


async def test_a_tree_holds_links_as_links_and_no_repository_of_the_agent_s(
    opened: Opener, repository: Repository, git: Git, secret: Path
) -> None:
    layer = tree_layer(git, repository.git("rev-parse", "HEAD^{tree}"))
    workspace = await opened(layer.files)
    script = "; mkdir -p sub/.git; echo x > sub/.git/config; mkfifo pipe .gitignore; rm -r d; ln -s {} d"
    await workspace.run(shell(linking(secret) + script.format(secret.parent)))
    tree = await read_tree(workspace, git, layer)
    files = git.tree_files(tree)
    assert files["d"][0] == "120000"
    assert not [path for path in files if ".git" in path.split("/") or path.startswith("d/")]
    assert not [path for path in files if git.blob(tree, path) == SECRET]


NEW = "diff --git a/{0} b/{0}\nnew file mode {1}\n--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+"
HEAD = NEW.replace("{1}", "100644") + "poison\n"
LINK = NEW.replace("{1}", "120000") + "{1}\n\\ No newline at end of file\n"


@pytest.mark.parametrize(
    "path",
    ["../outside", "d/../../outside", "/etc/outside", ".git/config", ".git/hooks/post-checkout", "d/.git/config",
     ".GIT/config", ".git /config", "git~1/config", "d/./b", "d//b", ".git\u200c/config"],
)  # fmt: skip
def test_a_patch_that_names_paths_outside_or_the_repository_s_own_does_not_apply(
    repository: Repository, git: Git, path: str, tmp_path: Path
) -> None:
    base = repository.git("rev-parse", "HEAD^{tree}")
    inside = apply_patch(git, base, HEAD.format("inside").encode())
    assert set(git.tree_files(inside)) == {"a.py", "d/b.py", "inside"}
    before = (git.git_dir / "config").read_bytes()
    try:
        files = set(git.tree_files(apply_patch(git, base, HEAD.format(path).encode())))
    except GitError:
        files = set()
    # Some names that only other systems take for .git are names like others here, for the tree never gets there.
    assert not [name for name in files if ".." in name.split("/") or ".git" in name.split("/") or name.startswith("/")]
    assert (git.git_dir / "config").read_bytes() == before
    assert not list(tmp_path.rglob("outside"))


def test_a_patch_does_not_write_through_a_link_that_it_makes(repository: Repository, git: Git, secret: Path) -> None:
    base = repository.git("rev-parse", "HEAD^{tree}")
    link = LINK.format("link", secret.parent).encode()
    assert git.tree_files(apply_patch(git, base, link))["link"][0] == "120000"
    try:
        files = git.tree_files(apply_patch(git, base, link + HEAD.format("link/new").encode()))
    except GitError:
        files = {}
    assert files.get("link", ("120000", ""))[0] != "120000" or "link/new" not in files
    assert os.listdir(secret.parent) == ["secret"]  # noqa: PTH208
