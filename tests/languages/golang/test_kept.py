"""The build cache of test runs: it stays within its bounds, and nothing goes while somebody compiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worktrial.languages.golang import kept


def test_the_oldest_files_go_until_half_is_left(tmp_path: Path) -> None:
    for age in range(10):
        path = tmp_path / f"{age:02}" / "file"
        path.parent.mkdir()
        path.write_bytes(bytes(100))
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    kept.trim(tmp_path, 1000)
    assert len(list(tmp_path.glob("*/file"))) == 10
    kept.trim(tmp_path, 999)
    assert sorted(path.parent.name for path in tmp_path.glob("*/file")) == ["00", "01", "02", "03"]


def test_nothing_is_removed_while_somebody_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BYTES", 10)
    with kept.build_cache() as folder:
        (folder / "object").write_bytes(bytes(100))
        with kept.build_cache():
            assert (folder / "object").exists()
    with kept.build_cache():
        assert not (folder / "object").exists()
