"""Small repositories with real history, suites made of them, and the command line run on them as a user would."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.warm import Warm

from worktrial.formats.candidate import Candidate, FileChange
from worktrial.formats.suite import SuiteInfo
from worktrial.languages import load
from worktrial.store.suite import Suite

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


class Repository:
    """A git repository that is written commit by commit."""

    def __init__(self, path: Path, language: str = "python") -> None:
        self.path = path
        self.language = language
        self.commits: list[str] = []
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str, data: bytes | None = None) -> str:
        day = START + timedelta(days=len(self.commits))
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env |= {f"GIT_{who}_{what}": "dev" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        env |= {f"GIT_{who}_DATE": day.isoformat() for who in ("AUTHOR", "COMMITTER")}
        env |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(["git", *args], cwd=self.path, env=env, input=data, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    def commit(self, message: str, files: Mapping[str, str | bytes | Link | None], mode: int = 0o644) -> str:
        """Write, link or (None) remove files and commit; the message's first line is the subject."""
        for name, content in files.items():
            path = self.path / name
            if path.is_symlink() or path.is_file():
                path.unlink()
            if content is None:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.target)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
                path.chmod(mode)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]

    def candidate(self, commit: str, name: str = "") -> Candidate:
        """Return what mining would make of a commit, renames found."""
        parent = self.git("rev-parse", f"{commit}^")
        message = self.git("log", "-1", "--format=%B", commit)
        changes = []
        listed = self.git("diff-tree", "-r", "-z", "-M", "--name-status", parent, commit).split("\0")
        while listed and listed[0]:
            status = listed.pop(0)[0]
            old = listed.pop(0) if status in "RC" else None
            path = listed.pop(0)
            where = parent if status == "D" else commit
            role = load(self.language).role(path, lambda where=where, path=path: self.git("show", f"{where}:{path}"))  # type: ignore[misc]
            changes.append(
                FileChange.model_validate(
                    {"path": path, "old_path": old, "status": status, "role": role, "added": 1, "removed": 1}
                )
            )
        return Candidate(
            id=name or commit[:12],
            commit=commit,
            parent=parent,
            kind="commit",
            commits=(commit,),
            landed_at=datetime.fromisoformat(self.git("log", "-1", "--format=%cI", commit)),
            subject=message.splitlines()[0],
            message=message,
            prompt=message.splitlines()[0],
            removed=(),
            language=self.language,
            files=tuple(changes),
        )

    def suite(self, path: Path, candidates: Mapping[str, str]) -> Suite:
        """Write a suite as mining would; `candidates` are commits by name, given oldest first."""
        suite = Suite(path)
        made = [self.candidate(commit, name) for name, commit in candidates.items()]
        suite.candidates.replace(reversed(made))
        suite.write_info(
            SuiteInfo(
                name="small",
                repository=str(self.path),
                head=self.git("rev-parse", "HEAD"),
                mined_at=START,
                commits_read=len(self.commits),
            )
        )
        return suite


@dataclass(frozen=True)
class Ended:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found

    def is_clean_error(self, *words: str, code: int = 1) -> bool:
        """Whether it ended as errors should: the three-line form, the exit code, no traceback, nothing on stdout."""
        first = self.err.find("error: ")
        assert self.code == code, (self.code, self.err)
        assert first == 0 or self.err[first - 1 : first] == "\n", self.err
        assert "Traceback" not in self.err, self.err
        assert not self.out, self.out
        missing = [word for word in words if word not in self.err]
        assert not missing, (missing, self.err)
        return True


WARM = Warm()
atexit.register(WARM.close)


class Shell:
    """Calls `worktrial` as a process of its own, with a cache that is not the user's."""

    def __init__(self, cache: Path, folder: Path) -> None:
        self.folder = folder
        self.tmp = folder / "tmp"
        self.tmp.mkdir(parents=True, exist_ok=True)
        self.env = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
        self.env |= {"WORKTRIAL_CACHE": str(cache), "TMPDIR": str(self.tmp), "COLUMNS": "200"}

    def argv(self, *args: object) -> list[str]:
        return [sys.executable, "-m", "worktrial", *map(str, args)]

    def __call__(self, *args: object, env: Mapping[str, str] | None = None, timeout: float = 120) -> Ended:
        """Call it in a process of its own that has its imports already, unless it is about the interpreter's start."""
        if any(name.startswith("PYTHON") for name in env or ()):
            return self.cold(*args, env=env, timeout=timeout)
        env = {**self.env, **(env or {})}
        code, out, err = WARM.run([*map(str, args)], folder=self.folder, env=env, timeout_s=timeout)
        return Ended(code, out.decode(), err.decode())

    def cold(self, *args: object, env: Mapping[str, str] | None = None, timeout: float = 120) -> Ended:
        """Call it as a user does, with an interpreter of its own: where that is what is shown."""
        done = subprocess.run(
            self.argv(*args),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            capture_output=True,
            check=False,
            timeout=timeout,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *args: object) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own, as a shell does that sits at a terminal.

        Where the tests themselves run in the background of a script, they were given a Ctrl-C that is ignored.
        """
        return subprocess.Popen(
            ["env", "--default-signal=INT", *self.argv(*args)],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )


def finish(process: subprocess.Popen[bytes], timeout: float = 60) -> Ended:
    """Wait for a started command."""
    out, err = process.communicate(timeout=timeout)
    return Ended(process.returncode, out.decode(), err.decode())


def living(marker: str) -> list[str]:
    """Return the command lines of all living processes whose command line or environment names `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                environ = (entry / "environ").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            if marker in line or marker in environ:
                found.append(line)
    return found


# -- a library of a few modules, one change each --


def library(path: Path) -> Repository:
    """Return a repository with two changes that make good tasks, `add` and `fix`, on a small package."""
    repo = Repository(path)
    repo.commit(
        "Start",
        {
            "shop/__init__.py": "",
            "shop/price.py": "def total(prices):\n    return sum(prices)\n\n\ndef with_tax(price):\n    return price\n",
            "shop/names.py": "def title(name):\n    return name.upper()\n",
            "tests/test_price.py": "from shop.price import total\n\n\n"
            "def test_total():\n    assert total([1, 2]) == 3\n",
            "tests/test_names.py": "from shop import names\n\n\ndef test_title_of_nothing():\n"
            "    assert names.title('') == ''\n",
            "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef rate():\n    return 2\n",
            "README.md": "A shop.\n",
        },
    )
    repo.commit(
        "Titles keep the rest of a name as it was",
        {
            "shop/names.py": "def title(name):\n    return name[:1].upper() + name[1:]\n",
            "tests/test_names.py": "from shop import names\n\n\ndef test_title_of_nothing():\n"
            "    assert names.title('') == ''\n\n\ndef test_title():\n    assert names.title('anna Bo') == 'Anna Bo'\n",
        },
    )
    repo.commit(
        "Add a discount",
        {
            "shop/price.py": "def total(prices):\n    return sum(prices)\n\n\ndef with_tax(price):\n    return price\n"
            "\n\ndef discount(price, share):\n    return price - price * share\n",
            "tests/test_price.py": "from shop.price import discount, total\n\n\ndef test_total():\n"
            "    assert total([1, 2]) == 3\n\n\ndef test_discount(rate):\n    assert discount(10, 0.5) * rate == 10\n",
        },
    )
    return repo


def lines(path: Path) -> Sequence[dict[str, Any]]:
    """Return the records of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
