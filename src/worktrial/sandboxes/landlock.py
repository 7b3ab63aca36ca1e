"""Isolation without namespaces, for containers and systems that allow none: weaker, and named so.

Landlock bounds which files a command opens, and TCP, signals and abstract sockets where the kernel's version can; a
seccomp filter takes sockets, tracing, mounts and named IPC away; resource limits and a watcher do the rest. As root
every workspace has a user of its own, which nothing else on the machine has. What is weaker is in `docs/isolation.md`.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import json
import math
import os
import random
import stat
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TextIO

from worktrial.errors import SandboxError, WorktrialError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes import packages, pageout
from worktrial.sandboxes.folder import PARTS, Folder, Like, make
from worktrial.sandboxes.inside import landlock as inside
from worktrial.sandboxes.owner import disown
from worktrial.sandboxes.plain import Kind, Launch, open_plain
from worktrial.sandboxes.process import REPORT_FD
from worktrial.sandboxes.protocol import Command, Workspace
from worktrial.sandboxes.select import Probe
from worktrial.sandboxes.standby import Standby
from worktrial.store.cache import cache_dir
from worktrial.store.files import writing
from worktrial.store.git import last_line

LEAST_ABI = 3
"""Before it any file of the user's could be cut to nothing by its name."""
FAILED = "worktrial could not confine the command"

_SCRIPT = Path(inside.__file__)
_USERS = range(61184, 65520)
"""User ids that systemd, too, keeps for services that have one for as long as they run."""
_SLACK = 16
"""Processes more than the limit before the kernel says no: going beyond the limit is to be seen, not to be hidden."""
_ETC = (
    *("alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "debian_version", "group", "hosts"),
    *("inputrc", "java-*", "ld.so.cache", "ld.so.conf", "lsb-release", "os-release", "profile", "python3*"),
    *("ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "passwd", "pki/ca-trust/extracted", "pki/tls/certs"),
    # Certificates, but not the private keys beside them.
    *("protocols", "services", "ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo"),
)
_READ = ("/proc", "/sys/devices/system/cpu")
_RUN = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_INSTEAD = {"GIT_CONFIG_NOSYSTEM": "1"}
"""The host's settings are there and closed, which git takes for a failure."""
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


class Landlock:
    """Sandboxes made of Landlock rules, a system call filter and limits."""

    tier = "landlock"

    def __init__(self) -> None:
        self._abi = inside.abi()
        self._kind = Kind(self.tier, _make, self._launch, Standby(), pageout.probe(groups=False)[0])
        self.detail = describe(self._abi)

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Copy `layers` into a fresh folder, of a user of its own when we are root. Raises `SandboxError`."""
        return await open_plain(self._kind, layers, limits)

    def _launch(self, folder: Folder, limits: TrialLimits, command: Command, env: dict[str, str]) -> Launch:
        """Write down what is allowed and start the script that holds the command to it."""
        for text in (*env, *env.values()):
            _check(text)
        if command.port is not None and self._abi < inside.LEAST_ABI_FOR_A_PORT:
            raise SandboxError(
                "an agent that asks a model cannot be run in the landlock tier here",
                cause=f"the kernel has version {self._abi} of Landlock, which cannot allow a single TCP port",
                hint="Linux 6.7 or newer, or another tier: see worktrial doctor",
            )
        writable = [str(mount.path) for mount in command.mounts if mount.writable]
        readable = [str(mount.path) for mount in command.mounts if not mount.writable]
        run, listed = _run(command)
        spec = {
            "abi": self._abi,
            "parent": os.getpid(),
            "env": _INSTEAD | env,
            "keep": [REPORT_FD],
            "failed": FAILED,
            "read": [*_READ, *_settings(network=command.network)],
            "run": run,
            "list": listed,
            "devices": _DEVICES,
            "write": [*(str(folder.path / part) for part in PARTS), *writable],
            "network": command.network,
            "port": command.port,
            "limits": _limits(limits, folder.owner),
            "uid": folder.owner,
            "capability": _capability([folder.files, *map(Path, readable)], bool(writable)),
        }
        disown(map(Path, writable))
        path = folder.path / f"{uuid.uuid4().hex}.json"
        with writing(path):
            path.touch(mode=0o600)
            path.write_text(json.dumps(spec), "ascii")

        def cleanup() -> None:
            path.unlink(missing_ok=True)
            if folder.owner is not None:
                _take_back(map(Path, writable), folder.owner)

        argv = [sys.executable, "-I", "-S", "-B", str(_SCRIPT), str(path), *command.argv]
        own = {name: value for name, value in env.items() if name.startswith("WORKTRIAL_")}
        return Launch(argv, own | {"LC_ALL": "C.UTF-8"}, reaper=True, cleanup=cleanup)


def _make(layers: tuple[Path, ...], like: Like | None) -> tuple[Folder, Callable[[], None]]:
    if os.geteuid() != 0:
        return make(layers, None, like), lambda: None
    user, lock = _user()
    try:
        folder = make(layers, user, like)
    except BaseException:
        lock.close()
        raise

    def last() -> None:
        _kill_all_of(user)
        lock.close()

    return folder, last


def describe(abi: int) -> str:
    """Return what the tier is made of with this version of Landlock."""
    held = ["files", *(["TCP"] if abi >= 4 else []), *(["signals"] if abi >= 6 else [])]
    user = "a user of its own" if os.geteuid() == 0 else "your user"
    return f"Landlock {abi} ({', '.join(held)}), seccomp, resource limits, {user}; weaker than namespaces"


def probe() -> Probe:
    """Try for real: a confined command has to run, and to be kept from a file that anybody may read."""
    abi = inside.abi()
    if abi < LEAST_ABI:
        cause = f"the kernel has version {abi} of Landlock, and {LEAST_ABI} (Linux 6.2) is needed"
        return Probe(False, cause if abi else "the kernel has no Landlock, or a container's filter forbids it", _HINT)
    with tempfile.NamedTemporaryFile("w", prefix="worktrial-") as decoy:
        decoy.write("in reach")
        decoy.flush()
        Path(decoy.name).chmod(0o644)
        try:
            # In a thread of its own: whoever asks may have an event loop that runs.
            with ThreadPoolExecutor(1) as thread:
                said = thread.submit(asyncio.run, _try(decoy.name)).result()
        except WorktrialError as error:
            return Probe(False, str(error), error.hint)
    if "in reach" in said:
        return Probe(False, "what it should keep out of reach is in reach", _HINT)
    cause = last_line(said.encode()).removeprefix(f"{FAILED}: ")
    return Probe(True) if said.startswith("works") else Probe(False, cause or "a confined command did not start", _HINT)


_HINT = "Linux 6.2 or newer with Landlock among its security modules (lsm=landlock,…), on x86_64 or aarch64"


async def _try(decoy: str) -> str:
    workspace = await Landlock().open((), TrialLimits())
    try:
        done = await workspace.run(Command(("/bin/sh", "-c", 'echo works && cat "$1"', "sh", decoy), 20))
    finally:
        await workspace.close()
    return done.output.decode("utf-8", "replace")


def _run(command: Command) -> tuple[list[str], list[str]]:
    """Return the paths that a command may read and run programs of, and folders of which it may see names."""
    shown = [_installed(_RUN, () if command.network else _of_system())]
    shown += [_installed((str(mount.path),), mount.without) for mount in command.mounts if not mount.writable]
    return list(chain.from_iterable(run for run, _ in shown)), list(chain.from_iterable(names for _, names in shown))


_of_system = functools.cache(packages.of_system)


def _installed(paths: tuple[str, ...], hidden: tuple[Path, ...]) -> tuple[list[str], list[str]]:
    """Return what `without` does. Hundreds of files are looked at for that, and installed ones do not move."""
    return _remembered(paths, hidden) if hidden else ([*paths], [])


def without(paths: Iterable[str], hidden: Iterable[Path]) -> tuple[list[str], list[str]]:
    """Return what to allow so that all below `paths` can be read but what is below `hidden`, and what to list only.

    A rule holds for all that is below its folder, and none takes anything away. So the folders that lead to one that is
    hidden are not allowed themselves, but all else that is in them; names in them can be listed, hidden ones too.
    """
    kept_out = {os.path.realpath(path) for path in hidden}
    above = {str(parent) for path in kept_out for parent in Path(path).parents}
    allowed: list[str] = []
    listed: list[str] = []
    left = [os.path.realpath(path) for path in paths]
    while left:
        path = left.pop()
        if path in above:
            listed.append(path)
            with os.scandir(path) as entries:
                # A rule on a link would be one on whatever it leads to.
                left += [entry.path for entry in entries if not entry.is_symlink()]
        elif path not in kept_out:
            allowed.append(path)
    return allowed, listed


_remembered = functools.cache(without)


def _settings(*, network: bool) -> list[str]:
    names = [*_ETC, *(["resolv.conf"] if network else [])]
    return [str(path) for name in names for path in Path("/etc").glob(name)]


def _user() -> tuple[int, TextIO]:
    """Return a user id that no other workspace has, and the lock that keeps it so while it is open."""
    folder = cache_dir() / "users"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for user in random.sample(_USERS, len(_USERS)):
            lock = (folder / str(user)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
            else:
                return user, lock
    raise SandboxError("there is no user id left for a workspace", cause=f"all of {_USERS} are in use")


def _kill_all_of(user: int) -> None:
    """Kill whatever runs as `user`: the kernel does it in one go, which no fork gets ahead of."""
    argv = ["/bin/sh", "-c", "kill -9 -1"]
    subprocess.run(argv, user=user, group=user, extra_groups=[], capture_output=True, check=False, env={})


def _check(text: str) -> None:
    try:
        data = os.fsencode(text)
    except ValueError as error:
        raise SandboxError("could not start a command", cause=str(error)) from error
    if b"\0" in data:
        raise SandboxError("could not start a command", cause="a variable has a null byte in it")


def _limits(limits: TrialLimits, owner: int | None) -> dict[str, int]:
    """Return the resource limits; that on processes is for a user, so what an ordinary one has already counts too."""
    others = 0 if owner is not None else sum(_tasks(os.geteuid()))
    return {
        "NPROC": others + limits.processes + _SLACK,
        "NOFILE": limits.open_files,
        "CPU": max(1, math.ceil(limits.cpu_s)),
        "FSIZE": (limits.disk_mib + 1) * 1024 * 1024,
        "CORE": 0,
    }


def _tasks(user: int) -> Iterator[int]:
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and process.stat().st_uid == user:
                yield len(os.listdir(process / "task"))  # noqa: PTH208
        except OSError:
            continue  # it ended while we looked


def _capability(paths: Iterable[Path], writes: bool) -> int | None:
    """Return the capability without which root's own folders are closed to the workspace's user; None: it needs none.

    Landlock goes on top of it: it opens nothing beyond the paths that are allowed.
    """
    if os.geteuid() != 0:
        return None
    if writes:
        return _DAC_OVERRIDE
    if all(map(_open_to_all, paths)):
        return None
    return _DAC_READ_SEARCH if _has(_DAC_READ_SEARCH) else _DAC_OVERRIDE


def _open_to_all(path: Path) -> bool:
    whole = path.resolve()
    if not whole.exists():
        return True
    mode = whole.stat().st_mode
    return bool(mode & stat.S_IROTH or whole.name in PARTS) and all(
        above.stat().st_mode & stat.S_IXOTH for above in whole.parents
    )


def _has(capability: int) -> bool:
    status = Path("/proc/self/status").read_text("ascii")
    bits = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    return bool(int(bits, 16) >> capability & 1)


def _take_back(folders: Iterable[Path], user: int) -> None:
    """Make what `user` wrote in folders of ours our own, without setuid bits: the next one may have the same number."""
    for folder in folders:
        for above, names, others in os.walk(folder):
            for name in [*names, *others]:
                path = os.path.join(above, name)  # noqa: PTH118
                seen = os.lstat(path)
                if seen.st_uid == user:
                    os.lchown(path, os.geteuid(), os.getegid())
                    if stat.S_ISREG(seen.st_mode):
                        os.chmod(path, seen.st_mode & 0o777)  # noqa: PTH101
