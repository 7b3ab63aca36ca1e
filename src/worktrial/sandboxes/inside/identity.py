"""Who the engine and its sandboxes are: the user namespace they live in. Standard library only.

As root, a sandbox's user is on the host one that nobody else is: whatever escapes is not root, and owns nothing. As
anybody else there is only that user to be. In the engine's namespace all users have the numbers they have outside,
as root; as anybody else, the user is its root.
"""

from __future__ import annotations

import os
import signal

from worktrial.sandboxes.inside import kernel

DEFAULT_UID = 1_900_001_000
"""Above what distributions, systemd and container engines give out, below 2**31."""


class Identity:
    """The user of sandboxes and what follows from it."""

    def __init__(self, owner: int, host_uid: int, overlays: bool = False) -> None:
        """`owner` is its number in the engine's user namespace, `host_uid` that outside.

        `overlays` says whether what overlayfs needs can be written to memory (Linux 6.6).
        """
        self.owner = owner
        self.host_uid = host_uid
        self.overlays = overlays

    @property
    def warm(self) -> bool:
        """Whether others than us may be left to look after a /proc."""
        return self.host_uid != 0


def sandbox_uid(asked: int | None = None) -> int:
    """Return the user on this host that sandboxes of this process run as: our own unless we are root.

    In a container that has not all numbers, the highest it has but for `nobody`; root's own where there is only that.
    """
    if os.geteuid() != 0:
        return os.geteuid()
    wanted = DEFAULT_UID if asked is None else asked
    ranges = [(int(start), int(count)) for start, _, count in _mapped("uid")]
    groups = [(int(start), int(count)) for start, _, count in _mapped("gid")]
    for uid in (wanted, max(start + count - 1 for start, count in ranges) - 2):
        if uid > 0 and all(any(start <= uid < start + count for start, count in found) for found in (ranges, groups)):
            return uid
    return 0


def _mapped(kind: str) -> list[list[str]]:
    with open(f"/proc/self/{kind}_map", encoding="ascii") as file:
        return [line.split() for line in file]


def enter(asked: int | None) -> Identity:
    """Enter a user and mount namespace of our own. Raises `OSError`."""
    uid = sandbox_uid(asked)
    if os.geteuid() == 0 and uid != 0 and _enter_with_all_users():
        return Identity(uid, uid)
    uid = os.geteuid()
    kernel.new_user_namespace(0, uid, os.getegid(), kernel.NEWNS)
    return Identity(0, uid)


def _enter_with_all_users() -> bool:
    """Enter a namespace in which users have the numbers they have here; tell whether that is allowed.

    Its maps are written from outside, by a child that stays there. It tries a namespace of its own before.
    """
    maps = {f"{kind}_map": "".join(f"{a} {a} {n}\n" for a, _, n in _mapped(kind)) for kind in ("uid", "gid")}
    go, going = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            os.close(going)
            os.read(go, 1)
            for name, text in maps.items():
                with open(f"/proc/{parent}/{name}", "w", encoding="ascii") as file:
                    file.write(text)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(go)
    if not _may_map(maps):
        os.close(going)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return False
    kernel.set_dumpable(True)
    kernel.unshare(kernel.NEWUSER | kernel.NEWNS)
    os.close(going)
    _, status = os.waitpid(child, 0)
    if status:
        raise PermissionError(1, "could not give users their numbers")
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    return True


def _may_map(maps: dict[str, str]) -> bool:
    """Try it on a child, as it cannot be taken back: root of a container may lack what it takes."""
    ready, tell = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        try:
            kernel.unshare(kernel.NEWUSER)
            os.write(tell, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        if not os.read(ready, 1):
            return False
        for name, text in maps.items():
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(ready)
        os.kill(child, 9)
        os.waitpid(child, 0)


def with_overlays(identity: Identity, folder: str) -> Identity:
    """Find out whether a tmpfs at `folder` takes the attributes that overlayfs writes."""
    try:
        os.setxattr(folder, "user.overlay.worktrial", b"y")
    except OSError:
        return identity
    return Identity(identity.owner, identity.host_uid, overlays=True)
