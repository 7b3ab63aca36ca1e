"""Choosing among the interpreters that are really here."""

from __future__ import annotations

import sys
from datetime import date

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
