"""What `testing` is made into: the same but for one call, or nothing where it is not as it is known to be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from tests.languages.golang import go

from worktrial.languages.golang import telling

pytestmark = go.needs_go


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(go.root() / "src/testing", tmp_path / "src/testing")
    return tmp_path


def test_a_failure_is_told_first_and_no_line_changes_its_number(root: Path) -> None:
    made = telling.overlay(root)
    assert made is not None
    before = (root / "src/testing/testing.go").read_text().split("\n")
    after = made[str(root / "src/testing/testing.go")].split("\n")
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 2
    assert changed[0].startswith("func (c *common) Fail() { c.worktrialTell(); ")


def test_nothing_of_a_run_is_in_it(root: Path) -> None:
    assert telling.overlay(root) == telling.overlay(root)


@pytest.mark.parametrize(
    ("file", "pattern", "other"),
    [
        ("testing.go", r"\t\tc\.parent\.Fail\(\)\n", "\t\tc.parent.fail()\n"),
        ("testing.go", r"c\.failed = true", "c.failed = true; c.parent.failed = true"),
        ("testing.go", r"type T struct \{\n", "type T struct {\n\tid int\n"),
        ("fuzz.go", r"type F struct \{\n", "type F struct {\n\tid int\n"),
    ],
)
def test_another_text_is_left_alone(root: Path, file: str, pattern: str, other: str) -> None:
    path = root / "src/testing" / file
    text, count = re.subn(pattern, other, path.read_text())
    assert count == 1
    path.write_text(text)
    assert telling.overlay(root) is None


def test_no_testing_at_all_is_none(tmp_path: Path) -> None:
    assert telling.overlay(tmp_path) is None
