"""The parts that readers share: lines of edits, commits in outputs, and which directory is whose."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worktrial.sessions import edits
from worktrial.sessions.places import Places
from worktrial.sessions.printed import Printed

_LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "-d", "+e", "@@"]), max_size=12)


@given(_LINES, _LINES)
def test_added_and_removed_lines_turn_the_old_text_into_the_new_one(old: list[str], new: list[str]) -> None:
    before, after = "".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new)
    added, removed = edits.changed(before, after)
    assert sorted([*old, *added]) == sorted([*new, *removed])
    assert (added, removed) != ((), ()) or old == new


@given(_LINES, _LINES)
def test_a_unified_diff_gives_the_lines_that_difflib_wrote_into_it(old: list[str], new: list[str]) -> None:
    diff = list(difflib.unified_diff(old, new, "a", "b", lineterm=""))
    added, removed = edits.of_diff("\n".join(diff) + "\n")
    body = diff[2:]
    assert list(added) == [line[1:] for line in body if line.startswith("+")]
    assert list(removed) == [line[1:] for line in body if line.startswith("-")]


@settings(deadline=None)
@given(st.integers(1001, 3000))
def test_texts_too_long_to_compare_in_order_still_give_the_lines_that_are_new(size: int) -> None:
    old = [f"line {number}" for number in range(size)]
    new = [*old[:10], "first", *old[20:-10], "last"]
    added, removed = edits.changed("\n".join(old), "\n".join(new))
    assert set(added) == {"first", "last"}
    assert len(removed) == 20


@pytest.mark.parametrize("text", ["a\r\nb\r\n", "a\nb", "a\nb\n"])
def test_lines_come_without_their_ends(text: str) -> None:
    assert edits.split(text) == ("a", "b")


def test_a_patch_of_several_files_comes_apart() -> None:
    text = (
        "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: new.py\n+one\n+two\n*** Update File: old.py\n"
        "*** Move to: moved.py\n@@ def f():\n context\n-a\n+b\n*** Delete File: gone.py\n*** End Patch\nEOF"
    )
    assert [(one.path, one.kind, one.added, one.removed) for one in edits.of_apply_patch(text)] == [
        ("new.py", "write", ["one", "two"], []),
        ("old.py", "move", [], []),
        ("moved.py", "patch", ["b"], ["a"]),
        ("gone.py", "delete", [], []),
    ]


@given(st.text())
def test_any_text_is_a_patch_or_none(text: str) -> None:
    list(edits.of_apply_patch(text))
    list(edits.of_apply_patch("*** Begin Patch\n" + text))
    edits.of_diff(text)


# -- commits --


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "shop"
    path.mkdir()
    for args in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "Dev"),
        ("config", "user.email", "d@example.com"),
    ):
        subprocess.run(["git", *args], cwd=path, check=True)
    return path


def _shell(repository: Path, command: str) -> tuple[str, bool]:
    done = subprocess.run(["sh", "-c", command], cwd=repository, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr, done.returncode != 0


def _head(repository: Path) -> str:
    return _shell(repository, "git rev-parse HEAD")[0].strip()


@pytest.mark.parametrize(
    "commands",
    [
        ["echo 1 >a && git add a && git commit -m 'One'"],
        ["echo 1 >a && git add a", "git commit -m 'One: [it] (is)'"],
        ["echo 1 >a; git add a; git -c core.quotePath=off commit -qm 'One'; git log --oneline -1"],
        ["echo 1 >a; git add a; git commit -q -m 'One'", "git rev-parse HEAD"],
        ["echo 1 >a; git add a; git commit -q -m 'One'", "ls", "git log -3"],
        ["echo 1 >a; git add a; git commit -m 'One' | tail -1", "git log --oneline --decorate -5"],
        ["echo 1 >a; git add a; git commit -qF - <<'EOF'\nOne\n\nBody\nEOF", "git show --stat"],
        ["git checkout -q --detach 2>/dev/null; echo 1 >a; git add a; git commit -m One"],
    ],
)
def test_a_commit_is_found_in_what_git_printed(repository: Path, commands: list[str]) -> None:
    _shell(repository, "git commit -q --allow-empty -m Root")
    printed = Printed()
    found = [one for command in commands for one in printed.commits(command, *_shell(repository, command))]
    assert len(found) == 1
    sha, subject = found[0]
    assert _head(repository).startswith(sha)
    assert subject == "" or subject.startswith("One")


def test_an_amended_commit_is_another_one(repository: Path) -> None:
    printed = Printed()
    commands = ["echo 1 >a; git add a; git commit -m One", "git commit --amend -m Two"]
    found = [one for command in commands for one in printed.commits(command, *_shell(repository, command))]
    assert [subject for _, subject in found] == ["One", "Two"]


@pytest.mark.parametrize(
    "commands",
    [
        ["git log --oneline -3"],
        ["git commit -m Nothing", "git log --oneline -1"],
        ["git commit -qm Nothing || true", "git log --oneline -1"],
        ["git show HEAD", "git rev-parse HEAD"],
        ["echo '[main 1234567] not from git'"],
        ["git commit-tree --help >/dev/null; git log --oneline -1"],
    ],
)
def test_what_was_there_already_is_no_commit_of_the_session(repository: Path, commands: list[str]) -> None:
    _shell(repository, "git commit -q --allow-empty -m Root")
    printed = Printed()
    assert [one for command in commands for one in printed.commits(command, *_shell(repository, command))] == []


def test_a_listed_commit_with_another_subject_is_not_the_quiet_one(repository: Path) -> None:
    printed = Printed()
    assert list(printed.commits("git commit -qm 'One'", "", False)) == []
    assert list(printed.commits("git log --oneline -1", "1234567 Something else\n", False)) == []


@given(st.text(), st.text(), st.booleans())
def test_any_output_is_looked_through(command: str, output: str, failed: bool) -> None:
    printed = Printed()
    list(printed.commits(f"git commit {command}", output, failed))
    list(printed.commits("git log", output, failed))


# -- places --


def test_work_in_the_repository_below_it_and_in_its_work_trees_is_its_own(repository: Path) -> None:
    _shell(repository, "git commit -q --allow-empty -m Root && git worktree add -q ../other")
    (repository / "src/deep").mkdir(parents=True)
    for start in (repository, repository / "src", repository.parent / "other"):
        places = Places.of(start)
        assert places.holds(str(repository))
        assert places.holds(str(repository / "src/deep"))
        assert places.holds(str(repository.parent / "other/gone"))
        assert not places.holds(str(repository.parent))
        assert not places.holds(f"{repository}-2")


def test_a_repository_within_it_is_another_one(repository: Path) -> None:
    inner = repository / "vendor/inner"
    inner.mkdir(parents=True)
    subprocess.run(["git", "init", "-q"], cwd=inner, check=True)
    assert not Places.of(repository).holds(str(inner / "src"))
    assert Places.of(inner).holds(str(inner / "src"))


def test_a_link_to_the_repository_is_the_repository(repository: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(repository)
    assert Places.of(link).holds(str(repository))
    assert Places.of(link).holds(str(link / "src"))


@given(st.text())
def test_any_text_is_a_directory_of_the_repository_or_not(cwd: str) -> None:
    Places.of(Path("/nowhere/shop")).holds(cwd)
