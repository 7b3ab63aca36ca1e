"""Git by its own command line, with nothing of the user's configuration and no way to the network.

Repositories are hostile input: hooks, filters, external diffs and textconv never run, and objects that a partial
clone lacks are never fetched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from worktrial.errors import RepositoryError, StorageError
from worktrial.store.files import write_bytes, write_text, writing
from worktrial.store.scratch import check_room

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_AUTHOR_NAME": "worktrial",
    "GIT_AUTHOR_EMAIL": "worktrial@localhost",
    "GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "worktrial",
    "GIT_COMMITTER_EMAIL": "worktrial@localhost",
    "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z",
    "LC_ALL": "C",
}
_SETTINGS = {
    "safe.directory": "*",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}
_ATTRIBUTES = "* -text -filter -ident -working-tree-encoding -export-subst -export-ignore\n"


class GitError(RepositoryError):
    """A git command failed; `cause` is the last line it printed."""


class Git:
    """One git directory and, if given, the index and work tree to use with it."""

    def __init__(self, git_dir: Path, *, index: Path | None = None, work_tree: Path | None = None) -> None:
        self.git_dir = git_dir
        self.index = index
        self.work_tree = work_tree

    def environment(self) -> dict[str, str]:
        """Return the whole environment that git commands on this directory run with."""
        found = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        found |= _ENVIRONMENT | {"GIT_DIR": str(self.git_dir)}
        if self.index is not None:
            found["GIT_INDEX_FILE"] = str(self.index)
        if self.work_tree is not None:
            found["GIT_WORK_TREE"] = str(self.work_tree)
        return found

    @staticmethod
    def argv(*args: str) -> list[str]:
        """Return the command line for `git ARGS`, settings included."""
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return ["git", *settings, *args]

    def with_index(self, index: Path, work_tree: Path | None = None) -> Git:
        """Return the same directory seen through another index, and work tree."""
        return Git(self.git_dir, index=index, work_tree=work_tree)

    def popen(self, *args: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start `git ARGS` with its output on a pipe, for streams too long to hold; stderr is piped too."""
        return subprocess.Popen(
            self.argv(*args),
            env=self.environment(),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, *args: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run `git ARGS` with `data` on standard input and return what it printed. Raises `GitError`."""
        done = self._done(args, data, {**self.environment(), **(env or {})})
        if done.returncode:
            check_room(self.git_dir, self.index and self.index.parent)
            raise failure(f"git {args[0]} failed in {self.git_dir}", done.stderr)
        return done.stdout

    def _done(self, args: Sequence[str], data: bytes, env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, whatever that is."""
        while True:
            # In a session of its own: Ctrl-C is for us to answer, and must not tear what git writes.
            done = subprocess.run(
                self.argv(*args), env=env, input=data, capture_output=True, check=False, start_new_session=True
            )
            if done.returncode != -signal.SIGINT:
                return done
            # A terminal's Ctrl-C came when it was not in that session yet: nothing had begun.

    def text(self, *args: str) -> str:
        """Run `git ARGS` and return what it printed, without the last line end; undecodable bytes as surrogates."""
        return self.run(*args).decode("utf-8", "surrogateescape").rstrip("\n")

    def succeeds(self, *args: str, data: bytes = b"") -> bool:
        """Tell whether `git ARGS` ends with exit code 0."""
        done = self._done(args, data, self.environment())
        if done.returncode:
            check_room(self.git_dir, self.index and self.index.parent)
        return done.returncode == 0

    def blob(self, tree: str, path: str) -> bytes | None:
        """Return the content of `path` in `tree` (any tree-ish), or None when there is no such file."""
        try:
            return self.run("cat-file", "blob", f"{tree}:{path}")
        except GitError:
            return None

    def file_text(self, tree: str, path: str) -> str | None:
        """Return `blob` as text, what is no UTF-8 in it replaced."""
        blob = self.blob(tree, path)
        return None if blob is None else blob.decode("utf-8", "replace")

    def tree_files(self, tree: str) -> dict[str, tuple[str, str]]:
        """Return mode and object id of every file in `tree`, by path."""
        found = {}
        for entry in (
            self.run("ls-tree", "-r", "-z", "--full-tree", tree).decode("utf-8", "surrogateescape").split("\0")
        ):
            if entry:
                meta, path = entry.split("\t", 1)
                mode, _, oid = meta.split(" ")
                found[path] = (mode, oid)
        return found

    def with_files(self, tree: str, files: Mapping[str, bytes]) -> str:
        """Return `tree` with the content of some of its files replaced; their modes stay."""
        modes = self.tree_files(tree)
        oids = {
            path: self.run("hash-object", "-w", "--stdin", data=data).decode().strip() for path, data in files.items()
        }
        lines = "".join(f"{modes[path][0]} {oid}\t{path}\0" for path, oid in oids.items())
        with tempfile.TemporaryDirectory(prefix="index-", dir=self.git_dir) as folder:
            scratch = self.with_index(Path(folder) / "index")
            scratch.run("read-tree", tree)
            scratch.run("update-index", "-z", "--index-info", data=lines.encode("utf-8", "surrogateescape"))
            return scratch.text("write-tree")

    def diff(self, old: str, new: str, paths: Iterable[str] = ()) -> bytes:
        """Return the difference of two trees as a patch that `git apply` takes, binary files included."""
        chosen = [f":(literal,top){path}" for path in paths]
        return self.run(
            "diff-tree", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv", old, new,
            "--", *chosen,
        )  # fmt: skip


def failure(what: str, errors: bytes) -> GitError | StorageError:
    """Return the error for a git command that printed `errors`: a full disk is nothing the repository can help."""
    if b"No space left on device" in errors or b"Disk quota exceeded" in errors:
        return StorageError(what, cause="the disk is full", hint="free some room, then give the same command again")
    return GitError(what, cause=last_line(errors))


def last_line(output: bytes) -> str:
    """Return the last line of `output` that says anything."""
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def open_repository(path: Path) -> Git:
    """Return the repository at `path`: a work tree, a bare repository, or a folder inside one.

    Raises `RepositoryError` when there is none or when it has no commit.
    """
    if not path.is_dir():
        raise RepositoryError(f"there is no folder at {path}", hint="give the path of a local clone")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | _ENVIRONMENT
    done = subprocess.run(
        Git.argv("-C", str(path), "rev-parse", "--absolute-git-dir"),
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RepositoryError(
            f"{path} is not a git repository",
            cause=last_line(done.stderr),
            hint="give the path of a local clone",
        )
    git = Git(Path(done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")))
    if not git.succeeds("rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        raise RepositoryError(
            f"{path} has no commit to read",
            cause="HEAD points at nothing: the repository is empty, or its branch was never fetched",
            hint="fetch or commit something first",
        )
    return git


def objects_dir(git: Git) -> Path:
    """Return the folder with the objects of a repository, shared work trees included."""
    path = Path(git.text("rev-parse", "--git-path", "objects"))
    return path if path.is_absolute() else git.git_dir / path


def scratch_repository(folder: Path, *alternates: Path) -> Git:
    """Make a bare repository in `folder` that reads the objects of `alternates` and writes only its own.

    Patches are applied and trees written here, so that neither the user's repository nor a suite's store is touched.
    Attributes of the trees' own (`text`, filters, encodings) are switched off: files are what their blobs say.
    """
    with writing(folder):
        for name in ("objects/info", "refs/heads", "info"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    write_text(folder / "HEAD", "ref: refs/heads/main\n")
    write_text(folder / "config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
    write_text(folder / "info/attributes", _ATTRIBUTES)
    if alternates:
        write_bytes(folder / "objects/info/alternates", b"".join(_quoted(path) + b"\n" for path in alternates))
    return Git(folder)


def _quoted(path: Path) -> bytes:
    """Return a path as a line of `alternates`: as it is, or where that would be two lines, quoted as in C."""
    raw = os.fsencode(path)
    if b"\n" not in raw:
        return raw
    escaped = raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
