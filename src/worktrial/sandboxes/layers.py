"""Layers: trees checked out once per content, for any number of workspaces on top of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worktrial.errors import InfrastructureError
from worktrial.sandboxes.protocol import Workspace
from worktrial.store.cache import building, cache_dir, digest
from worktrial.store.files import write_text
from worktrial.store.git import Git, scratch_repository

EPOCH = 946684800
"""Modification time of every file of a layer (2000-01-01): whatever is younger was written in the workspace."""

_STAT_SETTINGS = {"core.checkStat": "minimal", "core.trustctime": "false"}
"""A layer's files keep size and time in an overlay but not their inode numbers."""


@dataclass(frozen=True)
class TreeLayer:
    """A checked-out tree."""

    tree: str
    files: Path
    index: Path
    """Git index of the tree that knows the sizes and times of `files`."""


def tree_layer(git: Git, tree: str) -> TreeLayer:
    """Return the layer of `tree`, checking it out when it is not in the cache."""
    folder = cache_dir() / "trees" / tree
    with building(folder) as part:
        if part is not None:
            (part / "files").mkdir()
            checkout = _on_files(git, part / "index", part / "files")
            checkout.run("read-tree", tree)
            checkout.run("checkout-index", "--all", "--force")
            for parent, folders, names in os.walk(part / "files", topdown=False):
                for name in names + folders:
                    os.utime(Path(parent, name), (EPOCH, EPOCH), follow_symlinks=False)
            # Some files of a tree may not exist on disk as git expects (submodules); that is no reason to fail.
            checkout.succeeds("update-index", "-q", "--refresh")
    return TreeLayer(tree, folder / "files", folder / "index")


def repository_layer(git: Git, layer: TreeLayer, hidden: Path) -> Path:
    """Return a layer with a `.git` that holds `layer`'s tree as its one commit, and nothing else.

    Files below `hidden`, a layer of build products, are kept out of `git status`. There are no remotes, tags, reflogs
    or alternates, and every object in it is reachable from that commit.
    """
    products = sorted(str(path.relative_to(hidden)) for path in hidden.rglob("*") if path.is_file())
    folder = cache_dir() / "repositories" / digest(layer.tree, *products)
    with building(folder) as part:
        if part is not None:
            commit = git.run("commit-tree", layer.tree, "-m", "Start").decode().strip()
            listed = git.run("rev-list", "--objects", "--no-object-names", commit)
            packed = git.run("pack-objects", "--stdout", "-q", data=listed)
            made = scratch_repository(part / ".git")
            made.run("index-pack", "--stdin", "--fix-thin", data=packed)
            shutil.copy2(layer.index, part / ".git" / "index")
            write_text(part / ".git/config", _REPOSITORY_CONFIG)
            write_text(part / ".git/info/exclude", "".join(f"/{path}\n" for path in products))
            made.run("update-ref", "refs/heads/main", commit)
            shutil.rmtree(part / ".git/logs", ignore_errors=True)
    return folder


_REPOSITORY_CONFIG = """[core]
\trepositoryformatversion = 0
\tbare = false
\tcheckStat = minimal
\ttrustctime = false
[user]
\tname = agent
\temail = agent@localhost
"""


async def change_tree(workspace: Workspace, git: Git, layer: TreeLayer, tree: str) -> None:
    """Make the files of a workspace that was opened over `layer` those of `tree`: only what differs is touched."""
    if tree == layer.tree:
        return
    with tempfile.TemporaryDirectory(prefix="worktrial-") as folder:
        index = Path(shutil.copy2(layer.index, folder))
        changed = Git(git.git_dir, index=index, work_tree=Path("{workspace}"))
        argv = _with_settings("read-tree", "-m", "-u", layer.tree, tree)
        await workspace.host(argv, env=changed.environment())


async def read_tree(workspace: Workspace, git: Git, layer: TreeLayer) -> str:
    """Return the tree (written to `git`) of what a workspace opened over `layer` holds now.

    Tracked, untracked, staged and committed work counts alike; what the workspace's own ignore rules name does not.
    The workspace's `.git` is not looked at.
    """
    with tempfile.TemporaryDirectory(prefix="worktrial-") as folder:
        index = Path(shutil.copy2(layer.index, folder))
        seen = Git(git.git_dir, index=index, work_tree=Path("{workspace}"))
        # --ignore-errors adds all that can be read, and still says with its exit code that something could not.
        with contextlib.suppress(InfrastructureError):
            await workspace.host(_with_settings("add", "--all", "--ignore-errors", "."), env=seen.environment())
        return Git(git.git_dir, index=index).text("write-tree")


def _with_settings(*args: str) -> list[str]:
    settings = [part for key, value in _STAT_SETTINGS.items() for part in ("-c", f"{key}={value}")]
    return Git.argv(*settings, "-C", "{workspace}", *args)


def _on_files(git: Git, index: Path, files: Path) -> Git:
    return Git(git.git_dir, index=index, work_tree=files)
