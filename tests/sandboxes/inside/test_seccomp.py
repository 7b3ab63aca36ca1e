"""The system call filter, read by a machine of our own and tried on real programs."""

from __future__ import annotations

import errno
import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.sandboxes.inside import seccomp
from worktrial.sandboxes.inside.seccomp import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, Instruction, program

MACHINES = ("x86_64", "aarch64")
NUMBERS = {
    machine: {
        name: pair[column]
        for table in (
            seccomp._CHECKED,
            seccomp._NOT_PERMITTED,
            seccomp._NOT_THERE,
            seccomp._MOUNTING,
            seccomp._MOUNTING_ANEW,
            seccomp._NAMED_IPC,
        )
        for name, pair in table.items()
    }
    for column, machine in enumerate(MACHINES)
}
FOLDER = Path(seccomp.__file__).parent


def decide(lines: list[Instruction], arch: int, number: int, *arguments: int) -> int:
    """Run a filter as the kernel would and return what it gives, an error as a negative number."""
    data = number.to_bytes(4, "little") + arch.to_bytes(4, "little") + bytes(8)
    data += b"".join(argument.to_bytes(8, "little") for argument in (*arguments, *[0] * 6)[:6])
    loaded, at = 0, 0
    while True:
        line = lines[at]
        at += 1
        if line.code == seccomp.LOAD:
            loaded = int.from_bytes(data[line.k : line.k + 4], "little")
        elif line.code == seccomp.AND:
            loaded &= line.k
        elif line.code == seccomp.RETURN:
            if line.k & 0xFFFF0000 == seccomp.ERRNO:
                return -(line.k & 0xFFFF)
            return line.k
        else:
            holds = {
                seccomp.JUMP_EQUAL: loaded == line.k,
                seccomp.JUMP_GE: loaded >= line.k,
                seccomp.JUMP_ANY_BIT: bool(loaded & line.k),
            }[line.code]
            at += line.jt if holds else line.jf


def asked(name: str, *arguments: int, machine: str = "x86_64", families: tuple[int, ...] = (AF_UNIX,)) -> int:
    number = NUMBERS[machine][name]
    assert number is not None
    return decide(program(machine, families), seccomp.AUDIT_ARCH[machine], number, *arguments)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_tables_is_refused_and_every_jump_lands_in_the_program(machine: str) -> None:
    lines = program(machine, (), allow_ipc=False)
    for at, line in enumerate(lines):
        assert 0 <= line.jt < 256
        assert 0 <= line.jf < 256
        assert line.code == seccomp.RETURN or at + 1 + max(line.jt, line.jf) < len(lines)
    for name, number in NUMBERS[machine].items():
        if number is not None and name not in seccomp._CHECKED:
            assert decide(lines, seccomp.AUDIT_ARCH[machine], number) in (-errno.EPERM, -errno.ENOSYS), name


@pytest.mark.parametrize("machine", MACHINES)
def test_mounting_and_named_ipc_can_be_left(machine: str) -> None:
    lines = program(machine, (), allow_mounts=True)
    for name in (*seccomp._MOUNTING, *seccomp._MOUNTING_ANEW, *seccomp._NAMED_IPC):
        number = NUMBERS[machine][name]
        assert number is not None
        assert decide(lines, seccomp.AUDIT_ARCH[machine], number) == seccomp.ALLOW, name


@given(st.sampled_from(MACHINES), st.integers(0, seccomp.X32_BIT - 1), st.lists(st.integers(0, 2**64 - 1), max_size=6))
def test_what_no_table_names_is_allowed_whatever_its_arguments(machine: str, number: int, arguments: list[int]) -> None:
    if number not in NUMBERS[machine].values():
        assert decide(program(machine), seccomp.AUDIT_ARCH[machine], number, *arguments) == seccomp.ALLOW


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_calls_of_another_architecture_kill(arch: int, number: int) -> None:
    if arch != seccomp.AUDIT_ARCH["x86_64"]:
        assert decide(program("x86_64"), arch, number) == seccomp.KILL


@given(st.integers(seccomp.X32_BIT, 2**32 - 1))
def test_x32_is_not_there(number: int) -> None:
    assert decide(program("x86_64"), seccomp.AUDIT_ARCH["x86_64"], number) == -errno.ENOSYS


@given(st.sampled_from(MACHINES), st.integers(0, 2**64 - 1))
def test_clone_and_unshare_are_refused_exactly_with_a_new_namespace(machine: str, flags: int) -> None:
    """The upper half is nothing to the kernel."""
    refused = bool(flags & 0x7E020000)
    assert (asked("clone", flags, machine=machine) != seccomp.ALLOW) == refused
    assert (asked("unshare", flags, machine=machine) != seccomp.ALLOW) == (refused or bool(flags & 0x80))


@given(st.sets(st.sampled_from([AF_UNIX, AF_INET, AF_INET6, AF_NETLINK])), st.integers(0, 50), st.integers(0, 300))
def test_only_wanted_families_have_sockets_and_netlink_only_routes(
    families: set[int], family: int, protocol: int
) -> None:
    given_ = asked("socket", family | 0xABC << 32, 1, protocol, families=tuple(families))
    wanted = family in families and (family != AF_NETLINK or protocol == 0)
    assert (given_ == seccomp.ALLOW) == wanted


@given(st.sampled_from([0, 0x800, 0x80000, 0x80800]), st.integers(0, 15))
def test_without_unix_sockets_there_are_pairs_that_nobody_can_point_elsewhere(flags: int, kind: int) -> None:
    assert (asked("socketpair", AF_UNIX, kind | flags, families=()) == seccomp.ALLOW) == (kind in (1, 5))
    assert asked("socketpair", AF_UNIX, kind | flags) == seccomp.ALLOW
    assert asked("socketpair", AF_INET, kind | flags, families=(AF_INET,)) == -errno.EAFNOSUPPORT


@given(st.integers(0, 2**64 - 1))
def test_a_terminal_cannot_be_typed_into(upper: int) -> None:
    for request in (0x5412, 0x541C):
        assert asked("ioctl", 0, upper & ~0xFFFFFFFF | request) == -errno.EPERM
    assert asked("ioctl", 0, 0x5413) == seccomp.ALLOW


def test_the_personality_can_be_asked_and_not_changed() -> None:
    assert asked("personality", 0xFFFFFFFF) == seccomp.ALLOW
    assert asked("personality", 0x0400000) == -errno.EPERM


def test_a_machine_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        program("riscv64")


# -- for real --

needs_a_filter = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"no filter for {platform.machine()}")


def under(argv: list[str], families: str = "seccomp.PRIVATE_NETWORK", cwd: Path | None = None) -> str:
    """Run a program under the filter and return what it printed."""
    script = (
        f"import os, sys; sys.path.insert(0, {str(FOLDER)!r}); import seccomp;"
        f"seccomp.install({families}, allow_ipc=False); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    argv = ["/usr/bin/python3", "-I", "-c", script, *argv]
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


ATTEMPT = """
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for number, *arguments in eval(sys.argv[1]):
    ctypes.set_errno(0)
    done = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    print("done" if done >= 0 else errno.errorcode[ctypes.get_errno()])
"""


@needs_a_filter
def test_the_kernel_decides_as_our_machine_does() -> None:
    numbers = NUMBERS[platform.machine()]
    calls = {
        "ptrace": "EPERM", "mount": "EPERM", "setns": "EPERM", "keyctl": "EPERM", "bpf": "EPERM", "reboot": "EPERM",
        "clone3": "ENOSYS", "io_uring_setup": "ENOSYS", "userfaultfd": "ENOSYS", "fsopen": "ENOSYS", "shmget": "ENOSYS",
    }  # fmt: skip
    tried: list[tuple[int | None, ...]] = [(numbers[name],) for name in calls]
    tried += [(numbers["unshare"], 0x10000000), (numbers["unshare"], 0), (numbers["personality"], 0xFFFFFFFF)]
    tried += [(numbers["socket"], family, 1, 0) for family in (AF_INET, 40, 38, 17)]  # vsock, alg, packet
    printed = under(["/usr/bin/python3", "-c", ATTEMPT, repr(tried)])
    refused = ["EAFNOSUPPORT"] * 3
    assert printed.split() == [*calls.values(), "EPERM", "done", "done", "done", *refused]


@needs_a_filter
def test_the_same_calls_are_answered_otherwise_without_the_filter() -> None:
    numbers = NUMBERS[platform.machine()]
    tried = [(numbers["ptrace"], 0), (numbers["shmget"], 0, 4096, 0o600)]
    script = ATTEMPT + "\nlibc.shmctl(done, 0, None)"
    argv = ["/usr/bin/python3", "-c", script, repr(tried)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split() == ["done", "done"]


PYTHON = """
import asyncio, concurrent.futures, multiprocessing, os, socket, subprocess, sys, threading

def square(x):
    return x * x

async def talk():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    if LOCAL:
        server = await asyncio.start_server(answer, "localhost", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(b"hello\\n")
        assert await reader.readline() == b"hello\\n"
        writer.close()
        await writer.wait_closed()
    child = await asyncio.create_subprocess_exec("echo", "child", stdout=-1)
    assert (await child.communicate())[0] == b"child\\n"
    assert await asyncio.to_thread(square, 4) == 16

if __name__ == "__main__":
    LOCAL = len(sys.argv) > 1
    assert subprocess.run(["sh", "-c", "echo x | cat"], capture_output=True).stdout == b"x\\n"
    thread = threading.Thread(target=square, args=(2,))
    thread.start()
    thread.join()
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
    asyncio.run(talk())
    print("fine")
"""


@needs_a_filter
@pytest.mark.parametrize("families", ["seccomp.PRIVATE_NETWORK", "()"])
def test_python_works_under_it(tmp_path: Path, families: str) -> None:
    (tmp_path / "script.py").write_text(PYTHON)
    local = ["local"] if families != "()" else []
    assert under(["/usr/bin/python3", str(tmp_path / "script.py"), *local], families).split() == ["fine"]


@needs_a_filter
@pytest.mark.parametrize("families", ["seccomp.PRIVATE_NETWORK", "()"])
def test_git_works_under_it(tmp_path: Path, families: str) -> None:
    script = (
        "set -e; export HOME=$PWD; git init -q a; cd a; git config user.name x; git config user.email x@x;"
        "echo x > f; git add .; git commit -qm m; cd ..; git clone -q a b; git -C b gc -q; git -C b log --format=%s"
    )
    assert under(["sh", "-c", script], families, tmp_path).split() == ["m"]


@needs_a_filter
@pytest.mark.parametrize("families", ["seccomp.PRIVATE_NETWORK", "()"])
def test_node_works_under_it(tmp_path: Path, families: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    script = """
const { execFile } = require("child_process"), { Worker } = require("worker_threads"), fs = require("fs");
fs.writeFileSync("file", "content");
execFile("cat", ["file"], (error, out) => {
  if (error) throw error;
  new Worker('require("worker_threads").parentPort.postMessage(6 * 7)', { eval: true })
    .on("message", (answer) => console.log(out, answer));
});
"""
    assert under([node, "-e", script], families, tmp_path).split() == ["content", "42"]


@needs_a_filter
def test_java_works_under_it(tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None:
        pytest.skip("there is no java")
    (tmp_path / "T.java").write_text(
        "public class T { public static void main(String[] a) throws Exception {"
        'var p = new ProcessBuilder("echo", "child").start(); p.waitFor();'
        "System.out.print(new String(p.getInputStream().readAllBytes())); } }"
    )
    assert under([java, str(tmp_path / "T.java")], "()", tmp_path).split() == ["child"]


@needs_a_filter
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_old_and_new_interpreters_can_install_it(version: str) -> None:
    python = shutil.which(f"python{version}")
    works = python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    if not python or not works:
        pytest.skip(f"there is no Python {version}")
    script = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import seccomp; seccomp.install(); print('on')"
    done = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "on\n"


def test_what_was_assembled_ahead_is_what_is_installed() -> None:
    """It takes half a millisecond, and every sandbox would pay for it."""
    ahead = seccomp.assembled()
    seccomp.assembled(list(seccomp.PRIVATE_NETWORK), allow_ipc=True)
    assert seccomp.assembled(seccomp.PRIVATE_NETWORK, False, True, False)[1] is ahead[1]
