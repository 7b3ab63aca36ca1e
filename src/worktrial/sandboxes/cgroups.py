"""Control groups for sandboxed processes, where this machine lets us make them.

Groups lie in one folder per worktrial process and hierarchy. A record of these folders, locked for as long as their
owner lives, lets the next worktrial clear away what a killed one left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import subprocess
import weakref
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.sandboxes.groups import Group, Limits, remove_trees
from worktrial.sandboxes.hierarchies import Found, enable, find
from worktrial.store.cache import cache_dir
from worktrial.store.files import writing

_PREFIX = "worktrial-"


@dataclass(frozen=True)
class Probe:
    """Whether groups can be made here, in words for records and for people."""

    cgroups: Cgroups | None
    detail: str
    """Who enforces which limit."""
    cause: str = ""
    """Why groups can do nothing, or not all; empty when they can do all."""
    hint: str = ""


class Cgroups:
    """Makes groups, all below one folder per hierarchy that is this object's own."""

    def __init__(self, found: Found, records: Path) -> None:
        """Clear away what dead owners left, and write down what is ours. Raises `StorageError` and `OSError`."""
        sweep(records)
        self.jobs = found.jobs
        name = _PREFIX + secrets.token_hex(6)
        self._places = tuple((place, str(place.folder / name)) for place in found.places)
        self._count = 0
        folders = tuple(folder for _, folder in self._places)
        record, lock = _record(records / f"{name}.groups", folders)
        self.close = weakref.finalize(self, _release, os.getpid(), record, lock, folders)
        """Removes the folders; runs by itself at the interpreter's end. Groups are closed before."""
        for place, folder in self._places:
            Path(folder).mkdir()
            if place.version == 2 and (controllers := place.jobs & {"memory", "pids"}):
                enable(Path(folder), controllers)

    def create(self, limits: Limits) -> Group:
        """Make an empty group. Raises `SandboxError`."""
        self._count += 1
        made: list[str] = []
        try:
            for _, folder in self._places:
                os.mkdir(f"{folder}/{self._count}")  # noqa: PTH102 - on the way of every sandbox: no Path objects
                made.append(f"{folder}/{self._count}")
            group = Group([(place, path) for (place, _), path in zip(self._places, made, strict=True)], owner=self)
            group.limit(limits)
        except OSError as error:
            for path in made:
                with contextlib.suppress(OSError):
                    os.rmdir(path)  # noqa: PTH106
            raise SandboxError("could not make a control group", cause=str(error)) from error
        return group


def probe(records: Path | None = None, found: Found | None = None) -> Probe:
    """Make a group for real, with a process in it, and say what groups can do on this machine.

    `records` is where owners are written down, `cgroups` in the cache folder by default; `found` is where to make
    groups, by default what `hierarchies.find` finds.
    """
    found = find() if found is None else found
    if not found.places:
        return Probe(None, _detail(frozenset(), {}), found.cause, found.hint)
    try:
        cgroups = Cgroups(found, records or cache_dir() / "cgroups")
        try:
            _try(cgroups)
        except BaseException:
            cgroups.close()
            raise
    except (OSError, SandboxError) as error:
        return Probe(None, _detail(frozenset(), {}), f"control groups do not work: {error}", found.hint)
    versions = {job: place.version for place in found.places for job in place.jobs}
    return Probe(cgroups, _detail(found.jobs, versions), found.cause, found.hint)


def _try(cgroups: Cgroups) -> None:
    group = cgroups.create(Limits(memory_mib=64, disk_mib=0, processes=4))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            group.add(process.pid)
            group.usage()
            if process.pid not in group.pids():
                raise SandboxError("a process put into a group is not in it")
        finally:
            process.kill()
            process.wait()
            remove_trees(group.folders)


def _detail(jobs: frozenset[str], versions: dict[str, int]) -> str:
    words = {"memory": "memory", "pids": "processes", "cpu": "processor time", "freezer": "standby"}
    by_version = {
        f"cgroup v{version}": [words[job] for job in words if job in jobs and versions[job] == version]
        for version in (1, 2)
    }
    by_version["rlimits and a look every tenth of a second"] = [
        words[job] for job in ("memory", "pids", "cpu") if job not in jobs
    ]
    by_version["SIGSTOP"] = ["standby"] if "freezer" not in jobs else []
    return "; ".join(f"{', '.join(held)} by {who}" for who, held in by_version.items() if held)


def sweep(records: Path) -> int:
    """Kill what is left in the groups of owners that are gone, and remove these; return how many owners there were."""
    swept = 0
    for record in records.glob(f"{_PREFIX}*.groups"):
        with contextlib.suppress(FileNotFoundError), record.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its owner lives
            folders = [line for line in file.read().splitlines() if Path(line).name == record.stem]
            if remove_trees(folders):
                record.unlink()
                swept += 1
    return swept


def _record(path: Path, folders: tuple[str, ...]) -> tuple[Path, int]:
    """Write down where an owner's groups are, and lock that for as long as the descriptor is open."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # Under another name first: a sweep must never see it unlocked.
        part = path.with_suffix(".part")
        lock = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.write(lock, "".join(f"{folder}\n" for folder in folders).encode("utf-8", "surrogateescape"))
            part.rename(path)
        except BaseException:
            os.close(lock)
            part.unlink(missing_ok=True)
            raise
    return path, lock


def _release(owner: int, record: Path, lock: int, folders: tuple[str, ...]) -> None:
    if os.getpid() != owner:
        return  # a fork of the owner ends
    if remove_trees(folders):
        record.unlink(missing_ok=True)
    os.close(lock)
