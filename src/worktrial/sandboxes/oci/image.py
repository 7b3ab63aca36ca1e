"""The image that containers are made of when none is named: a root with nothing in it but a minimal `/etc`.

The host's `/usr` is mounted into it, read-only, as the namespaces tier does. No registry is asked and nothing is
copied, so the image is some hundred kilobytes that are imported once.
"""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

from worktrial.errors import SandboxError
from worktrial.sandboxes.inside.root import ETC, FILES
from worktrial.sandboxes.oci.client import Client
from worktrial.store.cache import digest

_FOLDERS = ("etc", "proc", "dev", "sys", "run", "var", "usr", "tmp", "workspace", "layers", "from", "out", ".worktrial")
_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


async def base_image(client: Client) -> str:
    """Return the name of the image of this machine's root, importing it when it is not there. Raises `SandboxError`."""
    data = _root()
    name = f"localhost/worktrial:{digest(data)}"
    try:
        await client.call("image", "inspect", name, "--format", "{{.Id}}")
    except SandboxError:
        await client.call("import", "-", name, data=data)
    return name


def root_folders() -> list[str]:
    """Return the folders of the host that hold its programs and libraries."""
    return ["/usr", *(f"/{name}" for name in _LINKS if Path("/", name).is_dir() and not Path("/", name).is_symlink())]


def _root() -> bytes:
    """Return the root as a tar archive, the same bytes as long as the host's `/etc` is the same."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name in (*_FOLDERS, "home", "home/agent"):
            _add(archive, name, tarfile.DIRTYPE)
        for name in _LINKS:
            if Path("/", name).is_symlink():
                _add(archive, name, tarfile.SYMTYPE, link=str(Path("/", name).readlink()))
        for name, text in sorted(FILES.items()):
            _add(archive, f"etc/{name}", tarfile.REGTYPE, text.encode())
        made = {Path("/etc")}
        for name in ETC:
            for parent in reversed(Path("/etc", name).relative_to("/etc").parents):
                if Path("/etc", parent) not in made:
                    made.add(Path("/etc", parent))
                    _add(archive, f"etc/{parent}", tarfile.DIRTYPE)
            _add_from_host(archive, Path("/etc", name))
    return data.getvalue()


def _add_from_host(archive: tarfile.TarFile, path: Path) -> None:
    relative = str(path.relative_to("/"))
    if path.is_symlink():
        _add(archive, relative, tarfile.SYMTYPE, link=str(path.readlink()))
    elif path.is_dir():
        _add(archive, relative, tarfile.DIRTYPE)
        for entry in sorted(path.iterdir()):
            _add_from_host(archive, entry)
    elif path.is_file() and os.access(path, os.R_OK):
        _add(archive, relative, tarfile.REGTYPE, path.read_bytes())


def _add(archive: tarfile.TarFile, name: str, kind: bytes, data: bytes = b"", link: str = "") -> None:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    entry.size = len(data)
    entry.linkname = link
    archive.addfile(entry, io.BytesIO(data))
