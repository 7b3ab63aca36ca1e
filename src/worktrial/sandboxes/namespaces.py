"""Isolation by Linux namespaces: unprivileged, no daemon, a few milliseconds a command.

A workspace is an overlay mount in a user and mount namespace of its own, held by one small process; what is written
goes to a size-limited tmpfs there. When the holder ends (it does when we close its standard input, and so also when we
are killed) mount, files and namespaces are gone: there is nothing to clean up. Commands run in it by bubblewrap, in
further user, pid, network, ipc and uts namespaces, on a read-only root of the host's `/usr`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.formats.run import TrialLimits
from worktrial.sandboxes.process import Bounds, end, run_process, run_trusted
from worktrial.sandboxes.protocol import Command, Finished, Workspace
from worktrial.store.cache import cache_dir
from worktrial.store.files import write_text, writing
from worktrial.store.git import last_line

ROOT = Path("/workspace")
"""Where every workspace is, seen from inside."""
HOME = "/home/agent"

_HOLD = """
set -e
mnt=$1 size=$2 lower=$3
mount -t tmpfs -o "size=$size,mode=0755" tmpfs "$mnt"
mkdir "$mnt/upper" "$mnt/work" "$mnt/files" "$mnt/tmp" "$mnt/home"
chmod 1777 "$mnt/tmp"
if [ -n "$lower" ] && mount -t overlay overlay \\
    -o "userxattr,lowerdir=$lower,upperdir=$mnt/upper,workdir=$mnt/work" "$mnt/files" 2>/dev/null
then :
else
    shift 3
    for layer
    do
        # What is a file above and a folder below, or the other way round, is what the upper layer says. Folders
        # come first, from the top down, so that nothing is ever removed through a link that was laid down before.
        (cd "$layer" && find . -mindepth 1 -type d -print0) | (cd "$mnt/files" && xargs -0 -r sh -c '
            for folder; do if [ -L "$folder" ] || [ -f "$folder" ]; then rm -f -- "$folder"; fi; done' sh)
        (cd "$layer" && find . ! -type d -print0) | (cd "$mnt/files" && xargs -0 -r rm -rf --)
        cp -a --no-preserve=ownership "$layer/." "$mnt/files/"
    done
fi
echo ready
exec cat
"""
"""Mounts the layers, says so, and stays until its standard input ends. Where the kernel refuses an overlay in a user
namespace (before 5.11), the layers are copied instead: slower, the same otherwise."""

_ETC = (
    "alternatives",
    "ca-certificates.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "protocols",
    "services",
    "terminfo",
    # Certificates, but not the private keys beside them: as root we could read those.
    "ca-certificates",
    "pki/ca-trust/extracted",
    "pki/tls/certs",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
)
_PROC = ("acpi", "asound", "bus", "fs", "irq", "scsi", "sys", "sysrq-trigger")
"""Parts of /proc that speak to the kernel and not of processes. As root we would own them, and so would a sandbox."""
_FILES = {
    "passwd": f"root:x:0:0:root:/root:/bin/sh\nagent:x:1000:1000:agent:{HOME}:/bin/sh\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "group": "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class Namespaces:
    """Sandboxes made of namespaces, by `unshare`, `nsenter` and `bwrap`."""

    tier = "namespaces"
    detail = "bubblewrap; limits by rlimits and a look at what is used"

    def __init__(self) -> None:
        self._mountpoint = cache_dir() / "mnt"
        etc = cache_dir() / "etc"
        for name, text in _FILES.items():
            if not (etc / name).exists():
                write_text(etc / name, text)
        with writing(self._mountpoint):
            self._mountpoint.mkdir(parents=True, exist_ok=True)
        # By absolute path: the PATH of sandboxed commands holds folders that untrusted code has written to.
        self._tools = tuple(_find(tool) for tool in ("unshare", "nsenter", "bwrap"))
        self._root = _root_arguments(etc)

    async def open(self, layers: tuple[Path, ...], limits: TrialLimits) -> Workspace:
        """Mount a fresh workspace over `layers`. Raises `SandboxError`."""
        lower = ":".join(str(layer).replace("\\", "\\\\").replace(":", "\\:") for layer in layers)
        if "," in lower or len(lower) > 3500:  # mount(2) splits options at commas and takes one page of them
            lower = ""
        unshare, nsenter, bwrap = self._tools
        holder = await asyncio.create_subprocess_exec(
            *(unshare, "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, "hold"),
            *(str(self._mountpoint), f"{limits.disk_mib}m", lower, *map(str, reversed(layers))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            await _until_ready(holder)
        except BaseException:
            await end(holder)
            raise
        enter = [nsenter, "--preserve-credentials", "--user", "--mount", "--target", str(holder.pid), "--"]
        return _Mounted(holder, enter, [bwrap, *self._root], self._mountpoint, limits)


async def _until_ready(holder: asyncio.subprocess.Process) -> None:
    if holder.stdout is None or holder.stderr is None:
        raise AssertionError("the holder was started with pipes")
    if await holder.stdout.readline() != b"ready\n":
        cause = last_line(await holder.stderr.read())
        raise SandboxError("could not mount a workspace", cause=cause, hint="see: worktrial doctor")


class _Mounted:
    """A workspace in the namespaces of its holder."""

    root = ROOT
    tier = Namespaces.tier

    def __init__(
        self,
        holder: asyncio.subprocess.Process,
        enter: list[str],
        bwrap: list[str],
        mountpoint: Path,
        limits: TrialLimits,
    ) -> None:
        self._holder = holder
        self._enter = enter
        self._bwrap = bwrap
        self._mountpoint = mountpoint
        self._limits = limits

    async def run(self, command: Command) -> Finished:
        """Run a command inside, isolated."""
        limits = self._limits
        arguments = [*self._enter, *self._bwrap]
        for name, inside in (("files", str(ROOT)), ("tmp", "/tmp"), ("home", HOME)):  # noqa: S108 - inside
            arguments += ["--bind", str(self._mountpoint / name), inside]
        arguments += ["--size", str(limits.disk_mib * 1024 * 1024), "--tmpfs", "/dev/shm"]  # noqa: S108 - inside
        if command.network:
            arguments += ["--share-net", "--ro-bind-try", os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf"]
        for mount in command.mounts:
            arguments += ["--bind" if mount.writable else "--ro-bind", str(mount.path), str(mount.path)]
        arguments += ["--remount-ro", "/", "--chdir", str(ROOT), "--"]
        arguments += ["/usr/bin/prlimit", f"--nproc={limits.processes}", "--core=0", "--", *command.argv]
        bounds = Bounds(command.timeout_s, limits.memory_mib, limits.processes, limits.output_mib)
        finished = await run_process(
            arguments,
            env=environment(HOME) | dict(command.env),
            bounds=bounds,
            stdin=command.stdin,
            report=command.report,
        )
        if finished.exit_code and b"no space left on device" in finished.output.lower() and await self._disk_full():
            return Finished("disk_full", finished.exit_code, finished.output, finished.report, finished.wall_s)
        return finished

    async def _disk_full(self) -> bool:
        free = await self.host(["stat", "--file-system", "--format=%a %S %d", "{workspace}"], env=os.environ)
        blocks, size, inodes = map(int, free.split())
        return blocks * size < 1024 * 1024 or inodes == 0

    async def host(self, argv: list[str], *, env: Mapping[str, str], data: bytes = b"") -> bytes:
        """Run a trusted program on the workspace's files, in the holder's mount namespace only."""
        here = str(self._mountpoint / "files")
        return await run_trusted(
            [*self._enter, *(part.replace("{workspace}", here) for part in argv)],
            env={key: value.replace("{workspace}", here) for key, value in env.items()},
            data=data,
            name=argv[0],
        )

    async def close(self) -> None:
        """End the holder; what it held goes with it."""
        await end(self._holder)


def environment(home: str) -> dict[str, str]:
    """Return the variables every sandboxed command starts with: none of the host's."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TMPDIR": "/tmp",  # noqa: S108 - the sandbox's own
    }


def _find(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        raise SandboxError(f"{tool} is not installed", hint="see: worktrial doctor")
    return str(Path(path).absolute())


def _root_arguments(etc: Path) -> list[str]:
    """Return bwrap's arguments for everything but workspace, mounts and network."""
    arguments = ["--unshare-all", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL"]
    arguments += ["--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for name in _FILES:
        arguments += ["--ro-bind", str(etc / name), f"/etc/{name}"]
    arguments += ["--proc", "/proc"]
    for name in _PROC:
        arguments += ["--ro-bind-try", f"/proc/{name}", f"/proc/{name}"]
    return [*arguments, "--dev", "/dev", "--dir", "/var/tmp"]  # noqa: S108 - inside
