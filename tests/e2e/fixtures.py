"""One cache and one isolation of each kind for the whole session, a shell, and a validated suite to copy."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell, library

from worktrial.errors import SandboxError
from worktrial.sandboxes.protocol import Sandbox
from worktrial.sandboxes.select import choose


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that all workers of a session share, so that an environment is built once."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-gw") else base
    (shared / "worktrial-cache").mkdir(exist_ok=True)
    return shared / "worktrial-cache"


@pytest.fixture(autouse=True)
def _cache_of_the_session(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKTRIAL_CACHE", str(session_cache))


@pytest.fixture(scope="session")
def isolation(session_cache: Path) -> Iterator[Callable[[str], Sandbox]]:
    """Return what chooses an isolation by name, made once and shared, warm interpreters and all, as by a run's trials.

    Call it from a test or a fixture of one, where the cache of the session is set.
    """
    made = functools.cache(choose)
    yield made
    made.cache_clear()


@pytest.fixture
def strongest(isolation: Callable[[str], Sandbox], _cache_of_the_session: None) -> Sandbox:
    """Return the strongest isolation this machine has."""
    try:
        return isolation("auto")
    except SandboxError:
        return isolation("none")


@pytest.fixture
def shell(session_cache: Path, tmp_path: Path) -> Shell:
    """Return the command line, called in a folder of its own."""
    return Shell(session_cache, tmp_path / "shell")


@pytest.fixture(scope="session")
def library_repo(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return the small repository; not to be written to."""
    return library(tmp_path_factory.mktemp("library") / "repo")


@pytest.fixture(scope="session")
def _validated(library_repo: Repository, session_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("validated")
    suite = library_repo.suite(folder / "suite", dict(zip(("fix", "add"), library_repo.commits[1:], strict=True)))
    ended = Shell(session_cache, folder / "shell")("validate", suite.path, "--runs", "1", "--json", timeout=280)
    assert ended.code == 0, ended.err
    assert ended.json["accepted"] == 2, ended.err
    return suite.path


@pytest.fixture
def suite(_validated: Path, tmp_path: Path) -> Path:
    """Return a suite with the tasks `fix` and `add`, to do with as one likes."""
    return Path(shutil.copytree(_validated, tmp_path / "suite", symlinks=True))


@pytest.fixture
def new_repository(tmp_path: Path) -> Callable[[], Repository]:
    """Return a maker of empty repositories."""
    return lambda: Repository(tmp_path / "repo")
