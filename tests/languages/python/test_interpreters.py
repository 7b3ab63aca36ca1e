"""Choosing among the interpreters that are really here."""

from __future__ import annotations

import os
import sys
from datetime import date
from pathlib import Path

import pytest

from worktrial.errors import EnvironmentBuildError
from worktrial.languages.python import interpreters

HERE = {found.version[:2] for found in interpreters.installed()}


def test_every_interpreter_found_runs_and_is_what_it_says() -> None:
    assert sys.version_info[:2] in HERE
    for found in interpreters.installed():
        assert found.path.exists()
        assert interpreters.for_version(found.minor) == found
        assert (interpreters.base_prefix(found.path) / "bin").is_dir()


def test_shims_are_not_asked_since_their_answers_are_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those of pyenv are scripts that start dozens of programs, each version's anew for every call of a command."""
    shims, mark = tmp_path / "shims", tmp_path / "mark"
    shims.mkdir()
    for name in ("python", "python3", "python3.12"):
        (shims / name).write_text(f'#!/bin/sh\ntouch {mark}\nexec {sys.executable} "$@"\n')
        (shims / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([f"{shims}/", str(shims), os.environ["PATH"]]))
    assert interpreters.installed.__wrapped__() == interpreters.installed()
    assert not mark.exists()


@pytest.mark.parametrize("wanted", ["", ">=3.8", "no specifier at all", ">=3.8,!=3.5.*"])
def test_without_a_date_the_running_version_is_taken_where_it_fits(wanted: str) -> None:
    assert interpreters.choose(wanted, None).version[:2] == sys.version_info[:2]


def test_with_a_date_the_newest_that_was_out_by_then_is_taken() -> None:
    for day, newest in ((date(2021, 6, 1), (3, 9)), (date(2023, 6, 1), (3, 11)), (date(2024, 1, 1), (3, 12))):
        out = [version for version in HERE if version <= newest]
        if out:
            assert interpreters.choose("", day).version[:2] == max(out)


def test_a_day_before_all_versions_takes_the_oldest_that_fits() -> None:
    assert interpreters.choose("", date(2001, 1, 1)).version[:2] == min(HERE)


def test_versions_that_are_not_here_are_named() -> None:
    with pytest.raises(EnvironmentBuildError, match="<3") as caught:
        interpreters.choose("<3", None)
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in caught.value.cause
    with pytest.raises(EnvironmentBuildError, match=r"9\.9"):
        interpreters.for_version("9.9")
