"""Layers: trees checked out once per content, for any number of workspaces on top of them."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.protocol import Workspace
from worktrial.store.cache import building, cache_dir, digest
from worktrial.store.files import write_bytes, write_text
from worktrial.store.git import Git, scratch_repository

EPOCH = 946684800
"""Nothing in a layer is younger than this (2000-01-01): whatever is was written in the workspace. A file's time is this
less a number from its content, so that one file moved over another of the same size is not taken for it."""

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
            _set_times(part / "files", git.tree_files(tree))
            # Some files of a tree may not exist on disk as git expects (submodules); that is no reason to fail.
            checkout.succeeds("update-index", "-q", "--refresh")
    hand_over(folder / "files")
    return TreeLayer(tree, folder / "files", folder / "index")


def _set_times(files: Path, tree_files: dict[str, tuple[str, str]]) -> None:
    times = {os.fsencode(path): EPOCH - int(oid[:7], 16) for path, (_, oid) in tree_files.items()}
    root = os.fsencode(files)
    for parent, folders, names in os.walk(root, topdown=False):
        for name in names + folders:
            path = os.path.join(parent, name)  # noqa: PTH118 - names are bytes: not all are text
            time = times.get(path[len(root) + 1 :], EPOCH)
            os.utime(path, (time, time), follow_symlinks=False)


def repository_layer(git: Git, layer: TreeLayer, hidden: Path) -> Path:
    """Return a layer with a `.git` that holds `layer`'s tree as its one commit, and nothing else.

    Files below `hidden`, a layer of build products, are kept out of `git status`. There are no remotes, tags, reflogs
    or alternates, and every object in it is reachable from that commit.
    """
    products = _products(hidden)
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
            write_bytes(part / ".git/info/exclude", _excluding(products))
            made.run("update-ref", "refs/heads/main", commit)
            shutil.rmtree(part / ".git/logs", ignore_errors=True)
    return hand_over(folder)


def _products(hidden: Path) -> list[bytes]:
    return sorted(os.fsencode(path.relative_to(hidden)) for path in hidden.rglob("*") if not path.is_dir())


def _excluding(products: list[bytes]) -> bytes:
    """Return ignore rules for exactly these paths; one with a line end in it has no rule and is left out."""
    rules = (re.sub(rb"[\\*?\[ ]", rb"\\\g<0>", path) for path in products if b"\n" not in path)
    return b"".join(b"/" + rule + b"\n" for rule in rules)


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
    """Make the files of a workspace that was opened over `layer` those of `tree`: only what differs is touched.

    Files of other layers that stand in the way of one of `tree` are replaced.
    """
    if tree == layer.tree:
        return
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.git_dir) as folder:
        index = Path(shutil.copy2(layer.index, folder))
        changed = Git(git.git_dir, index=index, work_tree=Path("{workspace}"))
        argv = _with_settings("read-tree", "--reset", "-u", layer.tree, tree)
        await workspace.host(argv, env=changed.environment())


async def read_tree(workspace: Workspace, git: Git, layer: TreeLayer, hidden: Path | None = None) -> str:
    """Return the tree (written to `git`) of what a workspace opened over `layer` holds now.

    Tracked, untracked, staged and committed work counts alike; what the workspace's own ignore rules name does not,
    and neither do the files of `hidden`, a layer of build products, where the tree has none of that name. The
    workspace's `.git` is not looked at. Repositories below it are files like others: their `.git` is removed. So are
    pipes, sockets and devices, which no tree holds; what was made unreadable is made readable.
    """
    await workspace.host(["sh", "-c", _PREPARE, "{workspace}"], env=os.environ)
    with tempfile.TemporaryDirectory(prefix="index-", dir=git.git_dir) as folder:
        index = Path(shutil.copy2(layer.index, folder))
        exclude = Path(folder, "exclude")
        write_bytes(exclude, _excluding(_products(hidden) if hidden is not None else []))
        environment = Git(git.git_dir, index=index, work_tree=Path("{workspace}")).environment()
        if filled := await _filled_submodules(workspace, git, layer):
            removing = _with_settings("update-index", "--force-remove", "-z", "--stdin")
            await workspace.host(removing, env=environment, data=filled)
        adding = _with_settings("-c", f"core.excludesFile={exclude}", "add", "--all", "--ignore-errors", ".")
        # Exit code 1 says that all was added but for something that no tree can hold.
        await workspace.host(["sh", "-c", '"$@" || [ $? = 1 ]', "git", *adding], env=environment)
        return Git(git.git_dir, index=index).text("write-tree")


_PREPARE = """
chmod u+rwx "$0" && cd "$0" && find . -mindepth 1 -path ./.git -prune \\
    -o -type d ! -perm -700 -exec chmod u+rwx {} \\; -false \\
    -o -type f ! -perm -400 -exec chmod u+r {} + -false \\
    -o ! -type d ! -type f ! -type l -exec rm -f {} + \\
    -o -name .git -prune -exec rm -rf {} +
"""
"""Makes of a workspace what `git add` can take whole: a pipe called `.gitignore`, say, would keep it waiting."""


async def _filled_submodules(workspace: Workspace, git: Git, layer: TreeLayer) -> bytes:
    """Return the submodules of the tree, which a layer holds as empty folders, that now have files in them."""
    links = [path for path, (mode, _) in git.tree_files(layer.tree).items() if mode == "160000"]
    if not links:
        return b""
    script = r"""cd "$0" && for path; do [ -z "$(ls -A "$path" 2>/dev/null)" ] || printf '%s\0' "$path"; done"""
    return await workspace.host(["sh", "-c", script, "{workspace}", *links], env=os.environ)


def _with_settings(*args: str) -> list[str]:
    settings = [part for key, value in _STAT_SETTINGS.items() for part in ("-c", f"{key}={value}")]
    return Git.argv(*settings, "-C", "{workspace}", *args)


def _on_files(git: Git, index: Path, files: Path) -> Git:
    return Git(git.git_dir, index=index, work_tree=files)
