"""Which folders of an installation hold packages."""

from __future__ import annotations

from pathlib import Path

from tests.sandboxes.contract import make

from worktrial.sandboxes import packages
from worktrial.sandboxes.landlock import without
from worktrial.sandboxes.protocol import Mount


def test_folders_of_packages_are_found_once_and_by_the_path_they_are_shown_at(tmp_path: Path) -> None:
    inside = ("lib/python3.12/site-packages", "lib/python3.12/ensurepip/_bundled", "lib/python3/dist-packages")
    files: dict[str, str | None] = {f"{folder}/x": "" for folder in (*inside, "pkgs", "envs", "lib/python3.12/json")}
    make(tmp_path / "real", {**files, "bin/x": ""})
    (tmp_path / "real/lib64").symlink_to("lib")
    (tmp_path / "real/lib/python3.11").symlink_to(make(tmp_path / "elsewhere", {"site-packages/x": ""}))
    prefix = tmp_path / "shown"
    prefix.symlink_to("real")
    assert set(packages.below(prefix)) == {prefix / folder for folder in inside}
    assert packages.installation(prefix) == (Mount(prefix, without=packages.below(prefix)),)
    (tmp_path / "real/conda-meta").mkdir()
    assert set(packages.below(prefix)) == {prefix / folder for folder in (*inside, "pkgs", "envs")}


def test_what_every_sandbox_shows_is_not_shown_again() -> None:
    assert packages.installation(Path("/usr")) == packages.installation(Path("/usr/local")) == ()
    assert all(path.is_relative_to("/usr") and path.is_dir() for path in packages.of_system())


def test_all_is_allowed_but_what_is_hidden_and_what_leads_there_is_listed(tmp_path: Path) -> None:
    top = make(tmp_path / "top", {"a/b/secret/x": "", "a/b/file": "", "a/other/x": "", "c/x": ""})
    (top / "a/way").symlink_to("b/secret")
    allowed, listed = without([str(top), str(tmp_path / "nothing")], [top / "a/way"])
    assert set(allowed) == {str(tmp_path / name) for name in ("top/a/b/file", "top/a/other", "top/c", "nothing")}
    assert set(listed) == {str(top), str(top / "a"), str(top / "a/b")}
