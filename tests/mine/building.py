"""Real repositories for the tests of mining, made with git in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from worktrial.languages import load
from worktrial.mine.candidates import Mined, mine
from worktrial.store.git import open_repository

SOURCE, TEST = "src/pkg/core.py", "tests/test_core.py"
START = 1_700_000_000


@dataclass
class Repository:
    """A repository that grows commit by commit, a minute apart."""

    path: Path
    clock: int = field(default=START)

    def git(self, *args: str) -> str:
        """Run git in the work tree and return what it printed."""
        self.clock += 60
        stamp = f"{self.clock} +0000"
        keep = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env = keep | {
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.org",
            "GIT_AUTHOR_DATE": stamp,
            "GIT_COMMITTER_DATE": stamp,
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *args], env=env, check=False, capture_output=True, text=True, errors="replace"
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def commit(self, message: str, files: Mapping[str, str | bytes | None]) -> str:
        """Write files (None: remove), commit, and return the commit's id."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "--message", message)
        return self.head

    def change(self, message: str, name: str) -> str:
        """Commit a change of source and tests about a function called `name`."""
        source, test = self.path / SOURCE, self.path / TEST
        return self.commit(
            message,
            {
                SOURCE: source.read_text() + f"\n\ndef {name}():\n    return {name!r}\n",
                TEST: test.read_text() + f"\n\ndef test_{name}():\n    assert core.{name}()\n",
            },
        )

    def branch(self, name: str, start: str = "HEAD") -> None:
        """Make a branch and switch to it."""
        self.git("switch", "--quiet", "--create", name, start)

    def merge(self, name: str, message: str) -> str:
        """Merge a branch into main, with a merge commit in any case."""
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", message, name)
        return self.head

    @property
    def head(self) -> str:
        """Id of the commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def clone(self, target: Path, *options: str, cut_off: bool = False) -> Path:
        """Clone over a URL, so that filters and depth apply; `cut_off`: what it lacks is out of reach for good."""
        self.git("config", "uploadpack.allowFilter", "true")
        self.git("clone", "--quiet", *options, self.path.as_uri(), str(target))
        if cut_off:
            self.path.rename(self.path.with_name("gone"))
        return target


def repository(path: Path) -> Repository:
    """Return a repository with a package, its tests and one commit."""
    path.mkdir(parents=True)
    made = Repository(path)
    made.git("init", "--quiet", "--initial-branch=main")
    made.commit("start", {SOURCE: "VALUE = 1\n", TEST: "from pkg import core\n", "README.md": "pkg\n"})
    return made


def mined(path: Path, **settings: object) -> Mined:
    """Mine a repository."""
    return mine(open_repository(path), prefix="pkg", language=load("python"), **settings)  # type: ignore[arg-type]


def reasons(result: Mined) -> dict[str, str]:
    """Return the reason for each rejection, by subject."""
    return {rejection.subject: rejection.reason for rejection in result.rejections}
