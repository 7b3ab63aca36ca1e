"""Git on hostile repositories: nothing of theirs runs, nothing of the user's counts, and odd names come through."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.e2e.workshop import Link, Repository

from worktrial.errors import RepositoryError
from worktrial.store.git import Git, GitError, objects_dir, open_repository, scratch_repository

ODD_NAMES = (
    "with space.txt",
    "ünï.txt",
    "quote\"'.txt",
    "new\nline.txt",
    "tab\there.txt",
    "-dash.txt",
    ":(top)x",
    "*.[x]",
)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def files_below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def test_nothing_of_a_hostile_repository_runs(repository: Repository, tmp_path: Path) -> None:
    """Hooks, file system monitor, filters, text conversion, external diff, pager and aliases all leave their mark."""
    mark = tmp_path / "mark"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $@" >> {mark}\ncat "$1" 2>/dev/null\n')
    program.chmod(0o755)
    repository.commit("one", {"a.txt": "one\n", ".gitattributes": "*.txt filter=evil diff=evil\n"})
    repository.commit("two", {"a.txt": "two\n"})
    hooks = repository.path / ".git/hooks"
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        shutil.copy(program, hooks / name)
    for key, value in {
        "core.fsmonitor": str(program),
        "core.hooksPath": str(hooks),
        "core.pager": str(program),
        "core.sshCommand": str(program),
        "core.alternateRefsCommand": str(program),
        "diff.external": str(program),
        "diff.evil.command": str(program),
        "diff.evil.textconv": str(program),
        "filter.evil.clean": str(program),
        "filter.evil.smudge": str(program),
        "filter.evil.process": str(program),
        "alias.log": f"!{program}",
    }.items():
        repository.git("config", key, value)
    git = open_repository(repository.path)
    assert b"+two" in git.diff("HEAD~1", "HEAD")
    assert git.blob("HEAD", "a.txt") == b"two\n"
    assert set(git.tree_files("HEAD")) == {"a.txt", ".gitattributes"}
    with git.popen("log", "--raw", "--numstat", "-M", "HEAD") as process:
        process.communicate()
    index = git.with_index(tmp_path / "index", repository.path)
    index.run("read-tree", "HEAD")
    (repository.path / "a.txt").write_text("three\n")
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(git)).with_index(tmp_path / "index", repository.path)
    scratch.run("add", "--all", ".")
    scratch.run(
        "update-ref",
        "refs/heads/main",
        scratch.run("commit-tree", scratch.text("write-tree"), "-m", "x").decode().strip(),
    )
    assert not mark.exists(), mark.read_text()


def test_a_repository_of_another_user_can_be_read(repository: Repository) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    repository.commit("one", {"a.txt": "one\n"})
    subprocess.run(["chown", "-R", "nobody", repository.path], check=True)
    assert open_repository(repository.path).blob("HEAD", "a.txt") == b"one\n"


def test_variables_and_settings_of_the_caller_do_not_count(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither `GIT_*` nor a configuration, global ignore rules and attributes in the home folder."""
    repository.commit("one", {"a.txt": "one\n"})
    config = tmp_path / "config" / "git"
    config.mkdir(parents=True)
    (config / "ignore").write_text("*.new\n")
    (config / "attributes").write_text("*.txt -diff\n")
    (config / "config").write_text("[core]\n\tabbrev = 4\n[diff]\n\tnoprefix = true\n[i18n]\n\tcommitEncoding = x\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config.parent))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nowhere/objects")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.bare")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "nonsense")
    git = open_repository(repository.path)
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(git))
    (repository.path / "b.new").write_text("new\n")
    (repository.path / "a.txt").write_text("two\n")
    changed = scratch.with_index(tmp_path / "index", repository.path)
    changed.run("add", "--all", ".")
    tree = changed.text("write-tree")
    assert set(scratch.tree_files(tree)) == {"a.txt", "b.new"}
    assert b"\n+two\n" in scratch.diff(git.text("rev-parse", "HEAD"), tree)


def test_odd_names_come_through_listing_reading_and_patches(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit("one", {name: f"of {name!r}\n" for name in ODD_NAMES})
    git = open_repository(repository.path)
    assert set(git.tree_files(commit)) == set(ODD_NAMES)
    for name in ODD_NAMES:
        assert git.blob(commit, name) == f"of {name!r}\n".encode()
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(git)).with_index(tmp_path / "index")
    empty = scratch.run("mktree").decode().strip()
    whole = git.text("rev-parse", f"{commit}^{{tree}}")
    scratch.run("read-tree", empty)
    scratch.run("apply", "--cached", "-", data=scratch.diff(empty, whole))
    assert scratch.text("write-tree") == whole
    some = scratch.diff(empty, whole, ["*.[x]", ":(top)x"])
    assert some.count(b"diff --git") == 2


def test_names_that_are_no_utf_8_come_through(repository: Repository, tmp_path: Path) -> None:
    (repository.path / os.fsdecode(b"caf\xe9.txt")).write_text("x\n")
    repository.git("add", ".")
    commit = repository.commit("one", {"a.txt": "a\n"})
    git = open_repository(repository.path)
    assert git.blob(commit, "caf\udce9.txt") == b"x\n"
    assert "caf\udce9.txt" in git.tree_files(commit)


def test_a_diff_carries_modes_links_binaries_and_submodules(repository: Repository, tmp_path: Path) -> None:
    one = repository.commit("one", {"mode.sh": "x\n", "kind": "file\n", "data.bin": bytes(range(256))})
    (repository.path / "mode.sh").chmod(0o755)
    (repository.path / "sub").mkdir()
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repository.git("update-index", "--chmod=+x", "mode.sh")
    two = repository.commit("two", {"kind": Link("elsewhere"), "data.bin": bytes(range(255, -1, -1))})
    git = open_repository(repository.path)
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(git)).with_index(tmp_path / "index")
    scratch.run("read-tree", one)
    scratch.run("apply", "--cached", "-", data=git.diff(one, two))
    assert scratch.text("write-tree") == git.text("rev-parse", f"{two}^{{tree}}")
    assert scratch.tree_files(two)["sub"] == ("160000", "1" * 40)


def test_a_partial_clone_is_read_without_fetching_what_it_lacks(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", {"a.txt": "one\n"})
    repository.commit("two", {"a.txt": "two\n"})
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.path}", clone],
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
        check=True,
        capture_output=True,
    )
    mark = tmp_path / "mark"
    subprocess.run(
        ["git", "-C", clone, "config", "remote.origin.uploadpack", f"touch {mark}; git-upload-pack"], check=True
    )
    before = files_below(clone)
    git = open_repository(clone)
    assert git.blob("HEAD", "a.txt") is None
    with pytest.raises(GitError):
        git.diff("HEAD~1", "HEAD")
    assert git.text("log", "--format=%s") == "two\none"
    assert files_below(clone) == before
    assert not mark.exists()


def test_a_scratch_repository_writes_only_to_itself(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", {"a.txt": "one\n"})
    git = open_repository(repository.path)
    before = files_below(repository.path)
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(git)).with_index(tmp_path / "index")
    scratch.run("read-tree", git.text("rev-parse", "HEAD"))
    new = scratch.run("hash-object", "-w", "--stdin", data=b"new\n").decode().strip()
    scratch.run("update-index", "--add", "--cacheinfo", f"100644,{new},b.txt")
    assert set(scratch.tree_files(scratch.text("write-tree"))) == {"a.txt", "b.txt"}
    assert files_below(repository.path) == before
    assert not git.succeeds("cat-file", "-e", new)


@pytest.mark.parametrize(
    "name", ["plain", "with space", "new\nline", 'quo"te\nand\\more', "#hash", os.fsdecode(b"caf\xe9")]
)
def test_objects_are_found_wherever_the_repository_lies(tmp_path: Path, name: str) -> None:
    repository = Repository(tmp_path / name / "repo")
    commit = repository.commit("one", {"a.txt": "one\n"})
    scratch = scratch_repository(tmp_path / "scratch", objects_dir(open_repository(repository.path)))
    assert scratch.blob(commit, "a.txt") == b"one\n"


def test_a_linked_work_tree_and_a_folder_inside_are_the_repository(repository: Repository, tmp_path: Path) -> None:
    repository.commit("one", {"deep/a.txt": "one\n"})
    repository.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "other")
    for path in (tmp_path / "linked", repository.path / "deep", repository.path / ".git"):
        git = open_repository(path)
        assert git.blob("HEAD", "deep/a.txt") == b"one\n"
        assert objects_dir(git).resolve() == (repository.path / ".git/objects").resolve()


def test_what_is_no_repository_says_so(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="there is no folder"):
        open_repository(tmp_path / "nothing")
    (tmp_path / "plain").mkdir()
    with pytest.raises(RepositoryError, match="not a git repository"):
        open_repository(tmp_path / "plain")
    with pytest.raises(RepositoryError, match="no commit"):
        open_repository(repository.path)


def test_a_failure_names_the_command_and_its_last_words(repository: Repository) -> None:
    repository.commit("one", {"a.txt": "one\n"})
    with pytest.raises(GitError, match="git rev-parse failed") as caught:
        Git(repository.path / ".git").run("rev-parse", "--verify", "nonsense")
    assert "fatal" in caught.value.cause


@pytest.mark.parametrize("call", ["run", "succeeds"])
def test_git_that_ctrl_c_ended_before_it_began_is_run_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    repository.commit("first", {"a": "x"})
    git, ended = open_repository(repository.path), tmp_path / "ended"
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nmkdir "{ended}" 2>/dev/null && kill -INT $$\nexec "{shutil.which("git")}" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    assert getattr(git, call)("cat-file", "-e", "HEAD:a") in (b"", True)
    assert ended.exists()
