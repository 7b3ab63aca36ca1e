"""Whose files sandboxes may write: on this machine, a user that is nobody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from worktrial.sandboxes.inside import identity
from worktrial.store.files import writing

VARIABLE = "WORKTRIAL_SANDBOX_UID"


def sandbox_uid() -> int:
    """Return the host's user id of sandboxed code: our own, or as root that of `$WORKTRIAL_SANDBOX_UID` or a high one.

    0 where root has no other to give, as in some containers.
    """
    asked = os.environ.get(VARIABLE, "")
    return identity.sandbox_uid(int(asked) if asked.isdigit() else None)


def hand_over(path: Path) -> Path:
    """Make a file, or a folder and all in it, the sandbox's user's, and return it. Only root has to, and only
    where it has another user to give: where not, the owner may be one that has no number here, and stays.

    The folder itself comes last and is how one sees that all was handed over. Links are not followed. Raises
    `StorageError`.
    """
    uid = sandbox_uid()
    if os.geteuid() != 0 or uid in (0, os.lstat(path).st_uid):
        return path
    with writing(path):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            for _, folders, names, handle in os.fwalk(path, topdown=False):
                for name in (*folders, *names):
                    os.chown(name, uid, uid, dir_fd=handle, follow_symlinks=False)
        os.chown(path, uid, uid, follow_symlinks=False)
    return path


def disown(paths: Iterable[Path]) -> None:
    """Say of folders that somebody else is about to write in them: who hands them over next looks at all of it.

    For tiers that write as another user than the sandbox's: root's builds without namespaces, that is. Files in between
    that the sandbox's user cannot replace would fail every later build there.
    """
    if os.geteuid() != 0:
        return
    for path in paths:
        with writing(path):
            os.chown(path, 0, 0, follow_symlinks=False)
