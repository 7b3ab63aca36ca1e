"""Putting a Go environment in reach of commands."""

from __future__ import annotations

from pathlib import Path

from worktrial.languages.golang.toolchains import installed_root
from worktrial.languages.protocol import Activation, BuiltEnvironment
from worktrial.sandboxes.protocol import Mount, Workspace


def activation(environment: BuiltEnvironment, workspace: Workspace) -> Activation:
    """Return what lets `go` work without network, on the environment's modules and with what was compiled of them.

    What is compiled later goes to the workspace's own home. `workspace` does not matter: no tier needs anything else.
    """
    del workspace
    folder = environment.folder
    root = installed_root(folder)
    env = {
        "PATH": f"{root}/bin:/usr/local/bin:/usr/bin:/bin",
        "GOTOOLCHAIN": "local",
        "GOENV": "off",
        "GOPROXY": "off",
        "GOSUMDB": "off",
        # A workspace for tests has no repository, one for agents has: programs are built the same in both.
        "GOFLAGS": "-buildvcs=false",
        "GOMODCACHE": str(folder / "modules"),
        "GOCACHEPROG": f"'{folder / 'bin/gocache'}' '{folder / 'cache'}'",
    }
    mounts = (Mount(folder), Mount(root))
    return Activation(env, tuple(mount for mount in mounts if not _is_shown(mount.path, folder)))


def _is_shown(path: Path, folder: Path) -> bool:
    """Whether a folder is inside of what is shown anyway: the system's programs, or the environment."""
    return path.is_relative_to("/usr") or (path != folder and path.is_relative_to(folder))
