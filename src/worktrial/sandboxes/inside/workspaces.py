"""The workspaces of a spawner: mounted over their layers, or filled with copies of them, and taken down again.

A workspace is a folder with a tmpfs of its own. Standard library only, and of that little: what is imported here every
cell gets a copy of (see `spawner`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from worktrial.sandboxes.inside import kernel, messages, root, upper

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from worktrial.sandboxes.inside.identity import Identity

_FEW_LAYERS = 120
"""More of them do not fit in the one page that mount(2) takes."""


class Workspace:
    """Where a workspace is mounted, and the end of its handle that we hold."""

    def __init__(self, number: int, folder: str, handle: socket.socket, disk_mib: int, layers: list[str]) -> None:
        self.number = number
        self.folder = folder
        self.handle = handle
        self.disk_mib = disk_mib
        self.layers = layers
        self.overlaid = False
        self.job = 0
        """Process that is still filling it; 0: there is none."""

    @property
    def top(self) -> str:
        """What was written, or all files where no overlay is mounted."""
        return f"{self.folder}/{'upper' if self.overlaid else 'files'}"


class Workspaces:
    """All workspaces that are mounted, by the file descriptor of their handle."""

    def __init__(self, store: str, identity: Identity, janitor: socket.socket) -> None:
        """`store` is the folder they are mounted in, `janitor` lets go of what is sent there."""
        self.opened: dict[int, Workspace] = {}
        self._store = store
        self._identity = identity
        self._janitor = janitor
        self._numbered = 0

    def mount(self, layers: list[str], disk_mib: int, handle: socket.socket, overlaid: bool | None = None) -> Workspace:
        """Mount a workspace, over its layers where that is possible and `overlaid` does not say what to expect."""
        self._numbered += 1
        made = Workspace(self._numbered, f"{self._store}/{self._numbered}", handle, disk_mib, layers)
        os.mkdir(made.folder)
        try:
            options = f"mode=0755,size={disk_mib}m,nr_inodes={root.inodes(disk_mib)}"
            kernel.mount("tmpfs", made.folder, "tmpfs", kernel.NOSUID | kernel.NODEV, options)
            owner = self._identity.owner
            for name, mode in (("upper", 0o755), ("work", 0o755), ("files", 0o755), ("tmp", 0o1777), ("home", 0o755)):
                path = f"{made.folder}/{name}"
                os.mkdir(path)
                os.chmod(path, mode)
                os.chown(path, owner, owner)
            made.overlaid = self.mount_overlay(made) if overlaid is None else overlaid
        except BaseException:
            self._unmount(made)
            raise
        self.opened[handle.fileno()] = made
        return made

    def mount_overlay(self, made: Workspace) -> bool:
        """Mount the layers over each other; tell whether it could be done.

        A layer that is not the sandbox's user's could not be written to: its files are copied instead. Layers are
        named by file descriptor: that has no odd characters, is short, and is all that can be read of it inside.
        """
        with contextlib.ExitStack() as stack:
            folders = [stack.enter_context(upper.opened(os.path.realpath(layer))) for layer in made.layers]
            owned = all(os.fstat(folder).st_uid == self._identity.owner for folder in folders)
            if not folders or len(folders) > _FEW_LAYERS or not owned or not self._identity.overlays:
                return False
            scratch = stack.enter_context(upper.opened(made.folder))
            lower = ":".join(f"/proc/self/fd/{folder}" for folder in folders)
            here = f"/proc/self/fd/{scratch}"
            options = f"userxattr,lowerdir={lower},upperdir={here}/upper,workdir={here}/work"
            os.chmod(f"{made.folder}/upper", stat.S_IMODE(os.fstat(folders[0]).st_mode) & 0o1777)
            try:
                kernel.mount("overlay", f"{made.folder}/files", "overlay", kernel.NOSUID | kernel.NODEV, options)
            except OSError:
                return False  # the kernel is too old, or it does not take what the layers lie on
            return True

    def trees(self, known: Workspace) -> list[int]:
        """Return copies of the mounts of a workspace's files, its temporary folder and its home."""
        trees: list[int] = []
        try:
            for name in ("files", "tmp", "home"):
                trees.append(kernel.open_tree(f"{known.folder}/{name}"))  # noqa: PERF401 - each is closed if one fails
        except OSError:
            messages.close_all(trees)
            raise
        return trees

    def known(self, number: int) -> Workspace:
        """Return a workspace by its number. Raises `OSError` when it is closed."""
        for workspace in self.opened.values():
            if workspace.number == number:
                return workspace
        raise OSError(errno.ENOENT, "the workspace is closed")

    def drop(self, handle: int) -> None:
        """Take down the workspace of a handle that was closed."""
        workspace = self.opened.pop(handle)
        if workspace.job:
            with contextlib.suppress(ProcessLookupError):
                os.kill(workspace.job, 9)
        self._unmount(workspace)
        workspace.handle.close()

    def _unmount(self, workspace: Workspace) -> None:
        """Take a workspace out of the tree. Freeing what was written takes its time: the janitor lets go of it last."""
        held = []
        with contextlib.suppress(OSError):
            for path in (f"{workspace.folder}/files", workspace.folder):
                held.append(os.open(path, os.O_PATH | os.O_CLOEXEC))  # noqa: PERF401 - each is closed if one fails
            messages.send(self._janitor, {}, held)
        with contextlib.suppress(OSError):
            kernel.detach(workspace.folder)
            os.rmdir(workspace.folder)
        messages.close_all(held)
