"""Clones that lack something: bare, shallow, partial."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from tests.mine.building import SOURCE, Repository, mined, reasons

from worktrial.errors import RepositoryError


@pytest.fixture
def grown(repo: Repository) -> Repository:
    for name in ("one", "two", "three"):
        repo.change(f"Add {name}", name)
    return repo


def test_a_bare_clone_gives_what_its_origin_gives(grown: Repository, tmp_path: Path) -> None:
    bare = grown.clone(tmp_path / "bare.git", "--bare")
    assert mined(bare).candidates == mined(grown.path).candidates


def test_a_shallow_clone_is_mined_down_to_its_boundary(grown: Repository, tmp_path: Path) -> None:
    shallow = grown.clone(tmp_path / "shallow", "--depth=2", cut_off=True)
    result = mined(shallow)
    assert [candidate.subject for candidate in result.candidates] == ["Add three"]
    assert reasons(result) == {"Add two": "shallow_boundary"}


def test_a_clone_without_old_files_gives_what_it_has(grown: Repository, tmp_path: Path) -> None:
    partial = grown.clone(tmp_path / "partial", "--filter=blob:none", cut_off=True)
    repo = Repository(partial, grown.clock)
    repo.change("Add four", "four")
    result = mined(partial)
    assert [candidate.subject for candidate in result.candidates] == ["Add four"]
    assert {reasons(result)[f"Add {name}"] for name in ("one", "two", "three")} == {"missing_objects"}


def test_a_bare_clone_without_files_still_tells_what_was_turned_down_by_its_paths(
    grown: Repository, tmp_path: Path
) -> None:
    grown.commit("Say more", {"README.md": "more\n"})
    partial = grown.clone(tmp_path / "partial.git", "--bare", "--filter=blob:none", cut_off=True)
    result = mined(partial)
    assert not result.candidates
    assert reasons(result)["Say more"] == "docs_only"
    assert reasons(result)["Add three"] == "missing_objects"


def test_a_clone_without_folders_gives_what_it_has(grown: Repository, tmp_path: Path) -> None:
    partial = grown.clone(tmp_path / "partial", "--filter=tree:0", cut_off=True)
    repo = Repository(partial, grown.clock)
    repo.change("Add four", "four")
    result = mined(partial)
    assert [candidate.subject for candidate in result.candidates] == ["Add four"]
    assert result.funnel()["missing_objects"] == 3


def test_a_folder_missing_in_the_middle_costs_the_changes_that_need_it_alone(grown: Repository) -> None:
    lost = grown.git("rev-parse", "HEAD~1:src/pkg")
    grown.change("Add four", "four")
    grown.change("Add five", "five")
    _lose(grown.path, lost)
    result = mined(grown.path)
    assert [candidate.subject for candidate in result.candidates] == ["Add five", "Add four", "Add one"]
    assert [item.subject for item in result.rejections if item.reason == "missing_objects"] == ["Add three", "Add two"]


def test_a_file_missing_in_the_middle_costs_the_changes_that_need_it_alone(grown: Repository) -> None:
    lost = grown.git("rev-parse", f"HEAD~1:{SOURCE}")
    _lose(grown.path, lost)
    assert [candidate.subject for candidate in mined(grown.path).candidates] == ["Add one"]


def test_a_damaged_file_costs_the_changes_that_need_it_alone(grown: Repository) -> None:
    lost = _loose(grown.path, grown.git("rev-parse", f"HEAD~1:{SOURCE}"))
    lost.chmod(0o644)
    lost.write_bytes(b"not zlib")
    result = mined(grown.path)
    assert [candidate.subject for candidate in result.candidates] == ["Add one"]
    assert result.funnel()["missing_objects"] == 2


def test_a_missing_commit_is_an_error_that_names_the_remedy(grown: Repository) -> None:
    _lose(grown.path, grown.git("rev-parse", "HEAD~1"))
    with pytest.raises(RepositoryError) as caught:
        mined(grown.path)
    assert "fsck" in caught.value.hint


def test_a_second_work_tree_is_mined_like_the_first(grown: Repository, tmp_path: Path) -> None:
    grown.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "second"))
    assert mined(tmp_path / "second").candidates == mined(grown.path).candidates


def test_the_repository_is_left_as_it_was(grown: Repository) -> None:
    def state() -> dict[str, float]:
        return {str(path): path.stat().st_mtime for path in sorted((grown.path / ".git").rglob("*")) if path.is_file()}

    before = state()
    mined(grown.path)
    assert state() == before


def test_the_users_configuration_and_that_of_the_repository_do_nothing(grown: Repository) -> None:
    for key, value in (
        ("diff.external", "false"),
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("diff.renames", "false"),
        ("color.ui", "always"),
        ("log.showSignature", "true"),
        ("core.quotePath", "true"),
    ):
        grown.git("config", key, value)
    assert len(mined(grown.path).candidates) == 3


def _loose(path: Path, oid: str) -> Path:
    return path / ".git/objects" / oid[:2] / oid[2:]


def _lose(path: Path, oid: str) -> None:
    lost = _loose(path, oid)
    if not lost.exists():
        pytest.fail(f"{oid} is not loose in {os.fspath(path)}")
    shutil.move(lost, path / ".git/lost")
