from __future__ import annotations

from pathlib import Path

import pytest
from tests.mine.building import Repository, repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return repository(tmp_path / "pkg")
