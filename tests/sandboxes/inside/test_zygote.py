"""What a job finds in the interpreter that was kept warm for it."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from worktrial.sandboxes.inside import root, zygote


def test_a_workspace_that_changed_at_the_same_time_as_the_interpreters_own_is_listed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(root, "WORKSPACE", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    name = "only_in_the_workspace_of_the_job"
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)
    seen = tmp_path.stat()
    (tmp_path / f"{name}.py").touch()
    os.utime(tmp_path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    with pytest.raises(ModuleNotFoundError):  # that is how Python does it
        importlib.import_module(name)
    zygote._forget_listings()
    importlib.import_module(name)
    del sys.modules[name]
