"""A small task with tests of many styles, and the real grader on whatever files an agent may leave."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.workshop import START, Link, Repository, Shell

from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Task
from worktrial.formats.trial import Trial
from worktrial.formats.verdict import Verdict
from worktrial.grade.grader import Grader
from worktrial.sandboxes.protocol import Sandbox
from worktrial.store.files import write_bytes
from worktrial.store.git import Git
from worktrial.store.run import TrialDir
from worktrial.store.suite import Suite

Files = Mapping[str, str | bytes | Link | None]
"""What an agent writes, links or (None) removes."""

BASE = """
import time


class Money:
    def __init__(self, cents, currency):
        self.cents, self.currency = cents, currency

    def __eq__(self, other):
        return isinstance(other, Money) and (self.cents, self.currency) == (other.cents, other.currency)

    def __hash__(self):
        return hash((self.cents, self.currency))


def total(amounts):
    return 0


def rate():
    time.sleep(0.3)
    return 1
"""
SOLUTION = (
    BASE.replace("return 0", "return sum(amounts)").replace("    time.sleep(0.3)\n", "")
    + '''

def parse(text):
    """Read an amount.

    >>> parse("2 EUR").cents
    200
    """
    amount, _, currency = text.rpartition(" ")
    if not amount:
        raise ValueError(f"no amount in {text!r}")
    return Money(round(float(amount) * 100), currency)


def share(cents, people):
    each, rest = divmod(cents, people)
    return [each + (n < rest) for n in range(people)]


def stamped(cents):
    return f"{cents} on {time.strftime('%Y-%m-%d')}"


async def fetched(text):
    return parse(text)


def label(money):
    return f"{money.currency} {money.cents / 100:.2f}"
'''
)
STUB = (
    BASE
    + """

def parse(text): return Money(0, "")
def share(cents, people): return []
def stamped(cents): return ""
async def fetched(text): return None
def label(money): return ""
"""
)
"""All the names that the tests want, and none of the work."""
OLD_TESTS = """from ledger.money import total


def test_total_of_nothing():
    assert total([]) == 0
"""
TESTS = """import time
import unittest
from unittest import mock

import pytest
from freezegun import freeze_time
from hypothesis import given, settings, strategies as st

from ledger import money
from ledger.money import Money, fetched, label, parse, rate, share, stamped, total


def test_total_of_nothing():
    assert total([]) == 0


def test_total():
    assert total([1, 2]) == 3


def test_parse(euro):
    assert parse("3.50 EUR") == Money(350, euro)


@pytest.mark.parametrize(("text", "cents"), [("1 EUR", 100), ("0.05 EUR", 5)])
def test_cents(text, cents):
    assert parse(text).cents == cents


def test_no_amount():
    with pytest.raises(ValueError, match="no amount in"):
        parse("EUR")


class ShareTest(unittest.TestCase):
    def test_even(self):
        self.assertEqual(share(10, 2), [5, 5])

    def test_uneven(self):
        parts = share(10, 3)
        self.assertEqual(sum(parts), 10)
        self.assertIn(4, parts)


def test_quick():
    start = time.perf_counter()
    assert rate() == 1
    assert time.perf_counter() - start < 0.2


@freeze_time("2020-02-03")
def test_stamped():
    assert stamped(7) == "7 on 2020-02-03"


@pytest.mark.asyncio
async def test_fetched():
    found = await fetched("2 EUR")
    assert found.cents == 200


@settings(max_examples=10, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 1000), st.integers(1, 9))
def test_shares_add_up(cents, people):
    assert sum(share(cents, people)) == cents


def test_label(monkeypatch):
    monkeypatch.setattr(money, "Money", None)
    assert "EUR 1.50" in label(Money(150, "EUR"))


def test_mocked():
    with mock.patch.object(money, "parse", return_value=Money(1, "EUR")) as fake:
        assert money.parse("x") == Money(1, "EUR")
    fake.assert_called_once_with("x")
    assert label(Money(100, "EUR"))
"""
CONFTEST = "import pytest\n\nfrom ledger import money\n\n\n"
CONFTEST += "@pytest.fixture\ndef euro():\n    return 'EUR' if money else ''\n"
"""Imports what is tested, as many do: so its code runs before the tests are compiled."""
SETTINGS = '[tool.pytest.ini_options]\naddopts = "--doctest-modules"\nasyncio_mode = "strict"\n'


@dataclass(frozen=True)
class Attack:
    """What an agent leaves, and the verdict on it: outcome and cause, and others that it may come to instead."""

    files: Files
    cause: str = "tests_failed"
    outcome: str = "not_solved"
    or_else: tuple[tuple[str, str], ...] = ()

    def comes_to(self, verdict: Verdict) -> bool:
        """Tell whether a verdict is one of those."""
        return (verdict.outcome, verdict.cause) in ((self.outcome, self.cause), *self.or_else)


class Target:
    """The task, ready to be attacked."""

    def __init__(self, suite: Path, folder: Path) -> None:
        self.suite = Suite(suite)
        self.task: Task = self.suite.task("money")
        self.git: Git = self.suite.open_store(folder / "scratch.git")
        self.folder = folder
        self._count = 0

    def patch(self, files: Files) -> bytes:
        """Return the agent's work as the patch of a trial."""
        self._count += 1
        work = self.folder / f"work-{self._count}"
        work.mkdir()
        git = self.git.with_index(self.folder / f"index-{self._count}", work)
        git.run("read-tree", self.task.base_tree)
        git.run("checkout-index", "--all")
        for name, content in files.items():
            path = work / name
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                path.rename(work / f"{name}-aside")
            if content is None:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Link):
                path.symlink_to(content.target)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
                path.chmod(0o755)
        argv = Git.argv("-C", str(work), "add", "--all", "--force", ".")
        subprocess.run(argv, env=git.environment(), check=True)
        return self.git.diff(self.task.base_tree, git.text("write-tree"))

    async def grade(self, sandbox: Sandbox, files: Files, *, memory_mib: int = 1024) -> Verdict:
        """Return the verdict on an agent's work."""
        patch = self.patch(files)
        folder = self.folder / f"trial-{self._count}"
        trial = TrialDir(folder, "hacker", self.task.id, 1)
        write_bytes(trial.patch_path, patch)
        trial.write_trial(
            Trial(agent="hacker", task=self.task.id, n=1, started_at=START, ended="completed", sandbox=sandbox.tier)
        )
        limits = TrialLimits(memory_mib=memory_mib, processes=100, disk_mib=64, output_mib=4)
        scratch = self.folder / f"grading-{self._count}.git"
        return await Grader(self.suite, sandbox, scratch, limits, {}).grade(trial, self.task)

    def output(self) -> str:
        """Return what the last test run printed."""
        return (self.folder / f"trial-{self._count}/logs/tests.log").read_text()


def validated_suite(cache: Path, folder: Path) -> Path:
    """Make the repository, and the suite of its one task."""
    repo = Repository(folder / "repo")
    repo.commit(
        "Start",
        {
            "ledger/__init__.py": "",
            "ledger/money.py": BASE,
            "tests/test_money.py": OLD_TESTS,
            "tests/conftest.py": CONFTEST,
            "pyproject.toml": SETTINGS,
            "requirements.txt": "pytest\npytest-asyncio\nhypothesis\nfreezegun\n",
        },
    )
    fix = repo.commit("Read amounts", {"ledger/money.py": SOLUTION, "tests/test_money.py": TESTS})
    suite = repo.suite(folder / "suite", {"money": fix})
    ended = Shell(cache, folder / "shell")("validate", suite.path, "--runs", "2", "--json", timeout=280)
    assert ended.code == 0, ended.err
    return suite.path
