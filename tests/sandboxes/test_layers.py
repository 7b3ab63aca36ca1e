"""Layers: a tree's bytes on disk, another tree from them, and the tree of what became of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from tests.e2e.workshop import Link, Repository
from tests.sandboxes.contract import LIMITS, make, shell

from worktrial.errors import SandboxError
from worktrial.sandboxes.layers import EPOCH, TreeLayer, change_tree, read_tree, repository_layer, tree_layer
from worktrial.sandboxes.protocol import Sandbox, Workspace
from worktrial.store.git import Git, objects_dir, open_repository, scratch_repository

FILES: dict[str, str | bytes | Link | None] = {
    "a.py": "a = 1\n",
    "b.py": "b = 2\n",
    "dir/c.txt": "c\n",
    "dir/deep/d.txt": "d\n",
    "link": Link("a.py"),
    "dangling": Link("../../nowhere"),
    "dirlink": Link("dir"),
    "data.bin": bytes(range(256)),
    "crlf.txt": b"one\r\ntwo\r\n",
    "id.txt": "$Id$ $Format:%H$\n",
    "ünï cödé/with 'quotes\" and\nline.txt": "odd\n",
    "empty": "",
    ".gitignore": "*.log\nbuild/\n",
    ".gitattributes": "*.txt text eol=crlf ident filter=x export-subst working-tree-encoding=UTF-16\n"
    "a.py export-ignore\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "repo")
    (made.path / ".git/info/attributes").write_text("* -text -filter -ident -working-tree-encoding\n")
    (made.path / "run.sh").write_text("#!/bin/sh\n")
    (made.path / "run.sh").chmod(0o755)
    (made.path / "sub").mkdir()
    made.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    made.commit("one", FILES)
    return made


@pytest.fixture
def git(repository: Repository, tmp_path: Path) -> Git:
    return scratch_repository(tmp_path / "scratch.git", objects_dir(open_repository(repository.path)))


@pytest.fixture
def layer(repository: Repository, git: Git) -> TreeLayer:
    return tree_layer(git, repository.git("rev-parse", "HEAD^{tree}"))


@pytest.fixture(params=["namespaces", "landlock", "none"])
def sandbox(request: pytest.FixtureRequest, isolation: Callable[[str], Sandbox]) -> Sandbox:
    try:
        return isolation(request.param)
    except SandboxError as error:
        pytest.skip(f"no {request.param} here: {error.cause}")


@pytest_asyncio.fixture
async def workspace(sandbox: Sandbox, layer: TreeLayer) -> AsyncIterator[Workspace]:
    opened = await sandbox.open((layer.files,), LIMITS)
    yield opened
    await opened.close()


async def do(workspace: Workspace, script: str) -> str:
    done = await workspace.run(shell(f"set -e\n{script}"))
    assert done.exit_code == 0, done.output.decode()
    return done.output.decode()


async def changed(workspace: Workspace, git: Git, layer: TreeLayer) -> dict[str, bytes | None]:
    """Return what `read_tree` finds to differ: content by path, None for what is gone."""
    tree = await read_tree(workspace, git, layer)
    before, after = git.tree_files(layer.tree), git.tree_files(tree)
    return {
        path: git.blob(tree, path) if path in after else None
        for path in {*before, *after}
        if before.get(path) != after.get(path)
    }


# -- tree_layer --


def test_a_layer_holds_the_bytes_of_the_tree_whatever_its_attributes_say(layer: TreeLayer) -> None:
    for name, content in FILES.items():
        path = layer.files / name
        if isinstance(content, Link):
            assert str(path.readlink()) == content.target
        else:
            assert path.read_bytes() == (content if isinstance(content, bytes) else str(content).encode())
    assert os.access(layer.files / "run.sh", os.X_OK)
    assert not os.access(layer.files / "a.py", os.X_OK)
    assert list((layer.files / "sub").iterdir()) == []


def test_nothing_in_a_layer_is_young_and_different_files_differ_in_time(layer: TreeLayer) -> None:
    times = {path: path.lstat().st_mtime for path in layer.files.rglob("*")}
    assert max(times.values()) <= EPOCH
    assert times[layer.files / "a.py"] != times[layer.files / "b.py"]


def test_a_layer_is_made_once(layer: TreeLayer, git: Git) -> None:
    before = (layer.files / "a.py").stat().st_ino
    assert tree_layer(git, layer.tree) == layer
    assert (layer.files / "a.py").stat().st_ino == before


# -- change_tree --


async def test_any_tree_can_be_made_of_another(
    workspace: Workspace, repository: Repository, git: Git, layer: TreeLayer
) -> None:
    """Added, modified, deleted, renamed, and of another kind: file, link, folder and executable change places."""
    repository.git("mv", "dir/deep/d.txt", "moved.txt")
    (repository.path / "b.py").chmod(0o755)
    repository.commit(
        "two",
        {
            "a.py": "a = 3\n",
            "new/x.py": "x\n",
            "link": "now a file\n",
            "empty": None,
            "dirlink": None,
            "data.bin": b"\0",
        },
    )
    (repository.path / "crlf.txt").unlink()
    other = repository.commit(
        "three", {"dirlink/x": "now a folder\n", "crlf.txt/y": "was a file\n", "run.sh": Link("a.py")}
    )
    tree = repository.git("rev-parse", f"{other}^{{tree}}")
    await change_tree(workspace, git, layer, tree)
    assert await do(
        workspace, "cat a.py link dirlink/x crlf.txt/y moved.txt; test -x b.py; test ! -e empty; readlink run.sh"
    ) == ("a = 3\nnow a file\nnow a folder\nwas a file\nd\na.py\n")
    assert await read_tree(workspace, git, layer) == tree
    assert (layer.files / "a.py").read_text() == "a = 1\n"


async def test_files_of_other_layers_make_way_for_those_of_the_tree(
    sandbox: Sandbox, repository: Repository, git: Git, layer: TreeLayer, tmp_path: Path
) -> None:
    """A generated version file that an agent then committed: the tree's is the one that counts."""
    products = make(tmp_path / "products", {"pkg/_version.py": "generated\n", "pkg/other.so": "x"})
    other = repository.commit("two", {"pkg/_version.py": "committed\n"})
    opened = await sandbox.open((products, layer.files), LIMITS)
    try:
        await change_tree(opened, git, layer, repository.git("rev-parse", f"{other}^{{tree}}"))
        assert await do(opened, "cat pkg/_version.py pkg/other.so") == "committed\nx"
    finally:
        await opened.close()


# -- read_tree --


async def test_an_untouched_workspace_is_its_layer(workspace: Workspace, git: Git, layer: TreeLayer) -> None:
    assert await read_tree(workspace, git, layer) == layer.tree


async def test_every_kind_of_change_is_seen(workspace: Workspace, git: Git, layer: TreeLayer) -> None:
    await do(
        workspace,
        "echo more >> a.py; rm b.py; mv dir moved; chmod -x run.sh; ln -sf b.py link; printf '\\0\\1' > n.bin",
    )
    await do(
        workspace, "rm dangling; mkdir -p new/deep; echo n > 'new/deep/ö \"x\"'; rm empty; mkdir empty; echo > empty/e"
    )
    found = await changed(workspace, git, layer)
    assert found == {
        "a.py": b"a = 1\nmore\n",
        "b.py": None,
        "dir/c.txt": None,
        "dir/deep/d.txt": None,
        "moved/c.txt": b"c\n",
        "moved/deep/d.txt": b"d\n",
        "run.sh": b"#!/bin/sh\n",
        "link": b"b.py",
        "n.bin": b"\0\1",
        "dangling": None,
        'new/deep/ö "x"': b"n\n",
        "empty": None,
        "empty/e": b"\n",
    }


async def test_edits_that_keep_size_and_time_are_seen(workspace: Workspace, git: Git, layer: TreeLayer) -> None:
    """Same size within the same second, and one file moved over another of the same size, times and all."""
    await do(workspace, "printf 'a = 9\\n' > a.py")
    assert await changed(workspace, git, layer) == {"a.py": b"a = 9\n"}
    await do(workspace, "printf 'a = 8\\n' > a.py")
    assert await changed(workspace, git, layer) == {"a.py": b"a = 8\n"}
    await do(workspace, "mv b.py a.py")
    assert await changed(workspace, git, layer) == {"a.py": b"b = 2\n", "b.py": None}


async def test_ignored_files_do_not_count_unless_they_are_tracked(
    workspace: Workspace, git: Git, layer: TreeLayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the workspace's rules, as the agent leaves them, and never by the user's own."""
    make(tmp_path / "config", {"git/ignore": "*.mine\n"})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    await do(
        workspace, "echo > x.log; mkdir build; echo > build/y; echo > z.mine; echo '*.tmp' >> .gitignore; echo > w.tmp"
    )
    assert set(await changed(workspace, git, layer)) == {".gitignore", "z.mine"}
    await do(workspace, "echo '*' > .gitignore; echo > hidden; echo more >> a.py")
    assert set(await changed(workspace, git, layer)) == {".gitignore", "a.py"}
    await do(workspace, "rm .gitignore")
    assert {"x.log", "build/y", "hidden"} <= set(await changed(workspace, git, layer))


async def test_attributes_of_the_workspace_do_not_change_bytes(
    workspace: Workspace, git: Git, layer: TreeLayer
) -> None:
    await do(
        workspace,
        "printf '[attr]all text eol=lf filter=x ident\\n* all\\n' > .gitattributes; printf 'x\\r\\n$Id: 1$\\n' > n.txt",
    )
    assert (await changed(workspace, git, layer))["n.txt"] == b"x\r\n$Id: 1$\n"


@pytest.mark.parametrize(
    "script",
    [
        "git init -q sub2; cd sub2",  # a repository without a commit
        "git init -q sub2; cd sub2; git -c user.name=x -c user.email=x commit -q --allow-empty -m x",
        "mkdir sub2; cd sub2; echo 'gitdir: /nowhere' > .git",
        "mkdir -p sub2/.git/refs; cd sub2; echo junk > .git/HEAD",
        "cd dir; git init -q .; cd ..; mkdir sub2; cd sub2",  # around files that are tracked
        "git init -q sub2; cd sub2; git init -q sub3; echo > sub3/x; mkdir sub4; git init -q --bare sub4/bare",
    ],
    ids=["no commit", "a commit", "a file", "junk", "around tracked files", "nested"],
)
async def test_work_inside_of_nested_repositories_is_not_lost(
    workspace: Workspace, git: Git, layer: TreeLayer, script: str
) -> None:
    await do(workspace, f"({script}; echo work > work.py; echo > x.log)\necho more >> dir/c.txt; echo top > top.py")
    found = await changed(workspace, git, layer)
    assert found["sub2/work.py"] == b"work\n"
    assert found["dir/c.txt"] == b"c\nmore\n"
    assert found["top.py"] == b"top\n"
    assert "sub2/x.log" not in found
    assert "sub" not in found


async def test_files_put_into_a_submodule_s_folder_are_not_lost(
    workspace: Workspace, git: Git, layer: TreeLayer
) -> None:
    await do(workspace, "cd sub; git init -q; echo x > x.py")
    assert await changed(workspace, git, layer) == {"sub": None, "sub/x.py": b"x\n"}


async def test_what_was_made_unreadable_and_what_is_no_file_keeps_nothing_back(
    workspace: Workspace, git: Git, layer: TreeLayer
) -> None:
    await do(
        workspace,
        "echo x > shut; chmod 0 shut; mkdir d; echo y > d/y; chmod 0 d; echo more >> a.py; chmod 0 a.py\n"
        "rm .gitignore .gitattributes; mkfifo .gitignore .gitattributes dir/.gitignore b.pipe; rm b.py; mkfifo b.py",
    )
    found = await changed(workspace, git, layer)
    assert found == {
        "shut": b"x\n",
        "d/y": b"y\n",
        "a.py": b"a = 1\nmore\n",
        "b.py": None,
        ".gitignore": None,
        ".gitattributes": None,
    }


async def test_a_large_file_is_seen(workspace: Workspace, git: Git, layer: TreeLayer) -> None:
    await do(workspace, "head -c 20000000 /dev/zero > large")
    large = (await changed(workspace, git, layer))["large"]
    assert large is not None
    assert len(large) == 20_000_000


async def test_products_of_the_build_are_not_the_agent_s_work(
    sandbox: Sandbox, git: Git, layer: TreeLayer, tmp_path: Path
) -> None:
    products = make(tmp_path / "products", {"x.egg-info/PKG-INFO": "p", "odd [*] name": "p", "a.py": "not a product\n"})
    (products / "a.py").unlink()
    repository = repository_layer(git, layer, products)
    opened = await sandbox.open((repository, products, layer.files), LIMITS)
    try:
        assert await do(opened, "git status --porcelain") == ""
        assert await read_tree(opened, git, layer, products) == layer.tree
        await do(opened, "echo changed > x.egg-info/PKG-INFO; echo mine > 'odd x name'")
        tree = await read_tree(opened, git, layer, products)
        assert set(git.tree_files(tree)) - set(git.tree_files(layer.tree)) == {"odd x name"}
    finally:
        await opened.close()


# -- repository_layer --


@pytest_asyncio.fixture
async def with_repository(sandbox: Sandbox, git: Git, layer: TreeLayer, tmp_path: Path) -> AsyncIterator[Workspace]:
    repository = repository_layer(git, layer, make(tmp_path / "products", {}))
    opened = await sandbox.open((repository, layer.files), LIMITS)
    yield opened
    await opened.close()


async def test_git_works_inside_as_in_any_clone(with_repository: Workspace) -> None:
    workspace = with_repository
    assert await do(workspace, "git status --porcelain; git log --format=%s; git diff; git diff --cached") == "Start\n"
    await do(workspace, "echo more >> a.py; git mv b.py c.py")
    assert await do(workspace, "git status --porcelain") == " M a.py\nR  b.py -> c.py\n"
    await do(
        workspace,
        "git stash -q; git stash pop -q; git commit -qam work; git checkout -q -b side; git reset -q --hard HEAD~1",
    )
    assert await do(workspace, "git status --porcelain; git log --oneline main | wc -l") == "2\n"


@pytest.mark.parametrize(
    "script", ["git add -A", "git add -A; git commit -qm work", "rm -rf .git", "rm -rf .git; git init -q"]
)
async def test_staged_and_committed_work_counts_and_so_does_work_without_a_repository(
    with_repository: Workspace, git: Git, layer: TreeLayer, script: str
) -> None:
    await do(with_repository, f"echo more >> a.py; echo new > new.py; {script}; echo last > last.py")
    found = await changed(with_repository, git, layer)
    assert found == {"a.py": b"a = 1\nmore\n", "new.py": b"new\n", "last.py": b"last\n"}


async def test_a_repository_holds_one_commit_and_nothing_besides(
    repository: Repository, git: Git, tmp_path: Path
) -> None:
    head = repository.commit("the solution", {"a.py": "a = 'solution'\n"})
    base = tree_layer(git, repository.git("rev-parse", "HEAD~1^{tree}"))
    folder = repository_layer(git, base, make(tmp_path / "products", {}))

    def ask(*args: str) -> str:
        argv = ["git", "-C", str(folder), "-c", "safe.directory=*", *args]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    commit = ask("rev-parse", "HEAD")
    assert ask("rev-list", "--all") == commit
    assert ask("rev-parse", "HEAD^{tree}") == base.tree
    everything = ask("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert sorted(everything) == sorted(ask("rev-list", "--objects", "--no-object-names", "--all").split())
    assert ask("remote") == ask("tag") == ask("reflog") == ask("stash", "list") == ""
    assert ask("fsck", "--full", "--unreachable", "--no-dangling") == ""
    assert head not in everything
    assert not (folder / ".git/objects/info/alternates").exists()
    assert not (folder / ".git/logs").exists()
