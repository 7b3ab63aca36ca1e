"""Packages that are beside a task's environment: those of an interpreter's own installation, and of the system.

No environment uses them, and one of them may be the repository's own newer release, or pip, which holds copies of other
projects. So nobody inside is to read them, but for who builds an environment: tools of the system are such packages.
"""

from __future__ import annotations

from pathlib import Path

from worktrial.sandboxes.protocol import Mount

_FOLDERS = ("lib*/python*/site-packages", "lib*/python*/dist-packages", "lib*/python*/ensurepip/_bundled")
_OF_CONDA = ("pkgs", "envs")
_SYSTEM = (Path("/usr"), Path("/usr/local"))
"""Where interpreters are that every sandbox shows."""
_WHEELS = "share/python-wheels"
"""What Debian has in the place of `ensurepip/_bundled`."""


def below(prefix: Path) -> tuple[Path, ...]:
    """Return the folders of packages of an installation, by their paths below `prefix`, none twice."""
    real = prefix.resolve()
    globs = (*_FOLDERS, _WHEELS, *(_OF_CONDA if (real / "conda-meta").is_dir() else ()))
    found = [path.resolve() for pattern in globs for path in sorted(real.glob(pattern)) if path.is_dir()]
    # What a link leads out of the installation to is not shown with it.
    return tuple(dict.fromkeys(prefix / path.relative_to(real) for path in found if path.is_relative_to(real)))


def of_system() -> tuple[Path, ...]:
    """Return the folders of packages below `/usr`."""
    return tuple(dict.fromkeys(path for prefix in _SYSTEM for path in below(prefix)))


def installation(prefix: Path) -> tuple[Mount, ...]:
    """Return what shows an installed program without packages: nothing where every sandbox shows it like that."""
    return () if prefix.resolve() in _SYSTEM else (Mount(prefix, without=below(prefix)),)
