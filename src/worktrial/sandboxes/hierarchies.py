"""Where this machine lets us make control groups: what is mounted, and our own place in it.

Groups are made below the one this process is in, so that limits set from outside (a container's, a service's) go on
holding. What each hierarchy is good for here is a set of jobs: `memory` and `pids` limit, `cpu` counts processor
time, `freezer` stops and lets go.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from worktrial.sandboxes.usage import descendants

ASIDE = "worktrial-host"
"""A version 2 group that hands controllers on may hold no processes itself; those it had are moved to this one."""

_V1_JOBS = {"memory": "memory", "pids": "pids", "freezer": "freezer", "cpuacct": "cpu"}
_MOVES = 10


@dataclass(frozen=True)
class Mounted:
    """A mounted hierarchy of control groups."""

    version: int
    """1 or 2."""
    controllers: frozenset[str]
    """Of version 1; version 2 lists its own in every folder."""
    point: Path
    root: str
    """The group that is seen at `point`, `/` unless only a part is mounted."""


@dataclass(frozen=True)
class Place:
    """A folder below which we may make groups, and what they are good for there."""

    folder: Path
    version: int
    jobs: frozenset[str]


@dataclass(frozen=True)
class Found:
    """The places to use, each job in at most one of them, and why there are not more."""

    places: tuple[Place, ...]
    cause: str = ""
    hint: str = ""

    @property
    def jobs(self) -> frozenset[str]:
        """All that groups here can do."""
        return frozenset().union(*(place.jobs for place in self.places))


def find(proc: Path = Path("/proc/self")) -> Found:
    """Look for places to make groups in: version 1 controllers where they are mounted, else version 2.

    Freezing is left to version 2 wherever it can kill too: what is frozen there still dies when it is killed.
    """
    mounts = parse_mounts(_text(proc / "mountinfo"))
    own = parse_own(_text(proc / "cgroup"))
    places: list[Place] = []
    causes: list[str] = []
    hint = ""
    taken: frozenset[str] = frozenset()
    for mount in sorted(mounts, key=lambda mount: -mount.version):
        if mount.version == 2 and "" in own:
            found = _version_2(own_folder(mount, own[""]), leave_to_others=_v1_jobs(mounts, own))
            places += found.places
            causes += [found.cause] if found.cause else []
            hint = found.hint
        elif mount.version == 1:
            jobs = frozenset(_V1_JOBS[name] for name in mount.controllers if name in own and name in _V1_JOBS) - taken
            folder = own_folder(mount, own[next(iter(mount.controllers))]) if jobs else mount.point
            if jobs and not _writable(folder):
                causes.append(f"{folder} is not ours to write to")
            elif jobs:
                places.append(Place(folder, 1, jobs))
        taken = frozenset().union(*(place.jobs for place in places))
    if not mounts:
        causes.append("no control groups are mounted")
    return Found(tuple(places), "; ".join(causes), hint)


def parse_mounts(mountinfo: str) -> list[Mounted]:
    """Return the hierarchies in the text of `/proc/self/mountinfo` (see proc(5)), one per set of controllers."""
    found: dict[frozenset[str], Mounted] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) < 6 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        options = frozenset(kind[2].split(",")) if version == 1 else frozenset()
        controllers = options - {"rw", "ro", "xattr", "noprefix", "clone_children"}
        found[controllers] = Mounted(version, controllers, Path(_unescaped(fields[4])), _unescaped(fields[3]))
    return list(found.values())


def parse_own(cgroup: str) -> dict[str, str]:
    """Return the groups in the text of `/proc/self/cgroup`, by controller; that of version 2 by the empty name."""
    own = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" or controllers:
            own.update(dict.fromkeys(controllers.split(","), path))
    return own


def own_folder(mount: Mounted, path: str) -> Path:
    """Return the folder of the group `path` below `mount`; the mount point where that group is out of sight."""
    if path == mount.root or path.startswith(mount.root.rstrip("/") + "/"):
        path = path[len(mount.root.rstrip("/")) :]
        folder = mount.point / path.lstrip("/")
        return folder if folder.is_dir() else mount.point
    return mount.point


def enable(folder: Path, controllers: frozenset[str]) -> None:
    """Hand `controllers` of version 2 on to the groups below `folder`. Raises `OSError`."""
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(controllers)))


def _v1_jobs(mounts: list[Mounted], own: dict[str, str]) -> frozenset[str]:
    names = frozenset().union(*(mount.controllers for mount in mounts if mount.version == 1))
    return frozenset(_V1_JOBS[name] for name in names if name in own and name in _V1_JOBS)


def _version_2(folder: Path, leave_to_others: frozenset[str]) -> Found:
    """Return `folder` as a place, its controllers handed on, moving processes aside where that is for us to do."""
    if folder.name == ASIDE:
        folder = folder.parent
    if not _writable(folder):
        return Found((), f"{folder} is not ours to write to", _delegation())
    wanted = frozenset({"memory", "pids"}) - leave_to_others
    there = wanted & frozenset(_text(folder / "cgroup.controllers").split())
    cause = f"no {' and '.join(sorted(wanted - there))} controller in {folder}" if wanted - there else ""
    missing = there - frozenset(_text(folder / "cgroup.subtree_control").split())
    if missing:
        try:
            _hand_on(folder, missing)
        except OSError as error:
            there -= missing
            cause = f"{folder} does not hand on {' and '.join(sorted(missing))}: {error.strerror}"
    # A kernel before 5.14 cannot kill a group at once, so there version 1's freezer is no worse.
    freezer = {"freezer"} if _can_kill(folder) else set()
    jobs = there | freezer | ({"cpu"} if (folder / "cpu.stat").exists() else set())
    return Found((Place(folder, 2, frozenset(jobs)),) if jobs else (), cause, _delegation() if cause else "")


def _hand_on(folder: Path, controllers: frozenset[str]) -> None:
    try:
        enable(folder, controllers)
    except OSError as error:
        if error.errno != errno.EBUSY or not _may_move(folder):
            raise
        _move_aside(folder)
        enable(folder, controllers)


def _may_move(folder: Path) -> bool:
    """Say whether the processes in `folder` are ours alone, or all there are in this container."""
    members = {int(pid) for pid in _text(folder / "cgroup.procs").split()}
    return members <= set(descendants(os.getpid())) or not (folder.parent / "cgroup.procs").exists()


def _move_aside(folder: Path) -> None:
    aside = folder / ASIDE
    aside.mkdir(exist_ok=True)
    for _ in range(_MOVES):  # some may fork while we move them
        members = _text(folder / "cgroup.procs").split()
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                (aside / "cgroup.procs").write_text(pid)


def _can_kill(folder: Path) -> bool:
    """Say whether groups below `folder` have `cgroup.kill`; the root group never has, so one is made to see."""
    trial = folder / f"worktrial-try-{os.getpid()}"
    try:
        trial.mkdir()
    except OSError:
        return False
    try:
        return (trial / "cgroup.kill").exists() and (trial / "cgroup.freeze").exists()
    finally:
        trial.rmdir()


def _delegation() -> str:
    if os.getuid() == 0:
        return "give the container a writable cgroup file system (for Docker: --privileged --cgroupns=private)"
    return "start it in a delegated group: systemd-run --user --scope -p Delegate=yes worktrial …"


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
