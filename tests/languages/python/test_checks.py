"""How a project checks its work: with its own tools where it names and has them, else with ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from worktrial.languages.protocol import Checks
from worktrial.languages.python.checks import checks

Made = Callable[..., Checks]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a function from files and the environment's programs to the checks of such a project."""

    def make(files: dict[str, str], *programs: str) -> Checks:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        for name in programs:
            (folder / name).touch(mode=0o755)
        return checks(files.get, str(folder))

    return make


def test_a_project_that_says_nothing_gets_ours_and_only_certain_faults(made: Made) -> None:
    found = made({})
    assert found.test[:3] == ("python", "-m", "pytest")
    assert found.lint[1:] == ("check", "--no-cache", "--select", "E9,F63,F7,F82")
    assert Path(found.diagnostics[0]).name == "ty"
    assert {path.name for path in found.mounts} == {"ruff", "ty"}


@pytest.mark.parametrize("files", [{"pyproject.toml": "[tool.ruff]\nline-length = 99\n"}, {"ruff.toml": "x = 1"}])
def test_its_own_ruff_settings_count(made: Made, files: dict[str, str]) -> None:
    assert made(files).lint[1:] == ("check", "--no-cache")
    assert made(files, "ruff").lint == ("ruff", "check", "--no-cache")


def test_its_own_linter_type_checker_and_formatter_go_first_where_they_are_installed(made: Made) -> None:
    files = {"pyproject.toml": "[tool.mypy]\n[tool.black]\n", "setup.cfg": "[flake8]\n"}
    assert Path(made(files).diagnostics[0]).name == "ty"
    found = made(files, "mypy", "black", "flake8")
    assert found.diagnostics == ("python", "-m", "mypy")
    assert found.format == ("python", "-m", "black", "-q")
    assert found.lint == ("flake8",)


@pytest.mark.parametrize("text", ["[tool", "tool = 1", ""])
def test_a_broken_configuration_is_as_none(made: Made, text: str) -> None:
    assert made({"pyproject.toml": text}) == made({})
