"""An interpreter of a test's own, with packages beside it as people have them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_NOT_NEEDED = ("site-packages", "dist-packages", "test", "idlelib", "__pycache__", "config-*")


def relocated(prefix: Path) -> Path:
    """Copy the interpreter that runs us to `prefix`, without its packages, and return it; skip where it cannot move."""
    base = Path(sys.base_prefix)
    for name in ("lib", "bin"):
        (prefix / name).mkdir(parents=True)
    shutil.copytree(
        base / "lib" / VERSION,
        prefix / "lib" / VERSION,
        symlinks=True,
        ignore=shutil.ignore_patterns(*_NOT_NEEDED),
        copy_function=_linked,
    )
    for library in base.glob("lib/libpython*"):
        _linked(str(library), str(prefix / "lib" / library.name))
    python = prefix / "bin" / VERSION
    shutil.copy2(base / "bin" / VERSION, python)
    (prefix / "lib" / VERSION / "site-packages").mkdir()
    asked = [str(python), "-I", "-c", "import sys, json, zlib; print(sys.base_prefix)"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.stdout.strip() != str(prefix):
        pytest.skip(f"this Python does not work from another folder: {done.stderr}")
    return python


def _linked(source: str, target: str) -> str:
    """Have the same file twice where that is possible: a standard library is large."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
