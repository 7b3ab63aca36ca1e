"""Real environments of small projects, built by uv in a sandbox."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest
from tests.languages.python.conftest import Build, write

from worktrial.errors import EnvironmentBuildError
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Environment
from worktrial.languages.protocol import BuiltEnvironment, TestPlan
from worktrial.languages.python import environment, testing
from worktrial.sandboxes.protocol import Command, Sandbox
from worktrial.store.cache import digest

pytestmark = pytest.mark.xdist_group("environments")

TABLE = '[project]\nname = "tiny-thing"\nrequires-python = ">=3.9"\ndependencies = ["iniconfig"]\n'
HATCH = '[build-system]\nrequires = ["hatchling<1.28", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'


async def runs(sandbox: Sandbox, built: BuiltEnvironment, tree: Path, code: str) -> str:
    """Return what a line of Python prints in a workspace of that tree."""
    workspace = await sandbox.open((built.additions, tree), TrialLimits())
    try:
        active = testing.activation(built, workspace)
        done = await workspace.run(Command(("python", "-c", code), 30, env=active.env, mounts=active.mounts))
        return done.output.decode().strip()
    finally:
        await workspace.close()


async def test_a_project_with_its_version_in_git_tags(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    """Source layout; the generated version file becomes an addition, and extras for tests are there."""
    built = await build(
        {
            "pyproject.toml": HATCH
            + TABLE
            + 'dynamic = ["version"]\n[project.optional-dependencies]\ntest = ["pluggy"]\n'
            + '[tool.hatch.version]\nsource = "vcs"\n'
            + '[tool.hatch.build.hooks.vcs]\nversion-file = "src/tiny_thing/_v.py"\n'
            + '[tool.hatch.build.targets.wheel]\npackages = ["src/tiny_thing"]\n',
            "src/tiny_thing/__init__.py": "from ._v import __version__\n",
        }
    )
    assert (built.additions / "src/tiny_thing/_v.py").is_file()
    code = "import iniconfig, pluggy, pytest, tiny_thing; print(tiny_thing.__version__, tiny_thing.__file__)"
    assert (await runs(sandbox, built, tmp_path / "tree", code)).startswith("999.0 /")
    assert (built.folder / "roots").read_text().split() == ["src", "."]


async def test_a_flat_project_without_a_build_system(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    built = await build({"pyproject.toml": TABLE + 'version = "1"\n', "tiny_thing/__init__.py": "X = 1\n"})
    code = "import iniconfig, tiny_thing; from importlib.metadata import version; print(version('tiny-thing'))"
    assert await runs(sandbox, built, tmp_path / "tree", code) == "1"
    assert (built.folder / "roots").read_text().split() == ["."]


async def test_metadata_says_nothing_of_the_readme(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    """Which may tell of the very change that a task of the same environment asks for."""
    table = TABLE + 'version = "1"\nreadme = "README.md"\n'
    built = await build({"pyproject.toml": table, "README.md": "The secret of 42.\n", "tiny_thing/__init__.py": ""})
    code = "from importlib.metadata import metadata; print(metadata('tiny-thing').as_string())"
    said = await runs(sandbox, built, tmp_path / "tree", code)
    assert "Name: tiny-thing" in said
    assert "secret" not in said
    assert not [path for path in built.additions.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]
    assert not (built.additions / "README.md").exists()


async def test_requirements_alone(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    built = await build({"requirements.txt": "-r more.txt\n", "more.txt": "iniconfig\n", "app.py": "X = 2\n"})
    assert await runs(sandbox, built, tmp_path / "tree", "import app, iniconfig; print(app.X)") == "2"
    assert not list(built.additions.iterdir())


async def test_nothing_declared_still_has_a_runner(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    built = await build({"app.py": ""})
    assert (await runs(sandbox, built, tmp_path / "tree", "import pytest; print(1)")) == "1"


async def test_a_project_that_cannot_be_built_can_still_be_imported(
    build: Build, sandbox: Sandbox, tmp_path: Path
) -> None:
    files = {
        "pyproject.toml": HATCH.replace(', "hatch-vcs"', "") + TABLE + 'version = "1"\n',  # hatchling finds no package
        "other/__init__.py": "X = 3\n",
    }
    built = await build(files)
    assert (built.folder / "project-not-installed.txt").read_text().strip()
    assert await runs(sandbox, built, tmp_path / "tree", "import iniconfig, other; print(other.X)") == "3"


async def test_what_cannot_be_resolved_says_why(build: Build) -> None:
    with pytest.raises(EnvironmentBuildError, match="could not resolve") as caught:
        await build({"requirements.txt": "iniconfig==0.0.0.1\n"})
    assert "iniconfig" in caught.value.cause


async def test_a_date_holds_versions_to_what_there_was(index: None, sandbox: Sandbox, tmp_path: Path) -> None:
    files = {"requirements.txt": "iniconfig\n"}
    tree = write(tmp_path / "tree", files)
    then = await environment.resolve(files.get, sandbox, tree, as_of=date(2022, 1, 1))
    if not then.requirements:
        pytest.skip("the index gives no dates")
    now = await environment.resolve(files.get, sandbox, tree, as_of=None)
    assert then.as_of == "2022-01-01"
    assert then.requirements != now.requirements
    assert then.key != now.key


async def test_one_environment_is_built_once_for_all_that_want_it(build: Build) -> None:
    files = {"requirements.txt": "iniconfig\n", "unique.txt": str(os.getpid())}
    built = await asyncio.gather(*(build(files) for _ in range(3)))
    assert len({one.folder for one in built}) == 1
    marker = built[0].folder.stat().st_ctime_ns
    assert (await build(files)).folder.stat().st_ctime_ns == marker


EVIL = """
import os, pathlib, sys
from setuptools import setup
{deed}
setup(name="evil", version="1", py_modules=["evil"])
"""


def evil(deed: str) -> dict[str, str]:
    return {"setup.py": EVIL.format(deed=deed), "evil.py": "X = 1\n"}


async def test_a_build_can_write_nothing_that_we_take_for_our_own(
    build: Build, session_cache: Path, tmp_path: Path
) -> None:
    """Of the cache only the packages' cache and the virtual environment itself are open to it."""
    deed = f"""
for parent in ("resolutions", "environments", "trees", "constraints", "etc", "mnt", ""):
    for path in (pathlib.Path({str(session_cache)!r}, parent), *pathlib.Path({str(session_cache)!r}, parent).glob("*")):
        if path.name not in ("uv",) and "venv" not in path.parts:
            try:
                (path / "planted").write_text("x")
            except OSError:
                pass
            try:
                os.rename(path / "additions", path / "away")
                os.symlink({str(tmp_path)!r}, path / "additions")
            except OSError:
                pass
"""
    built = await build(evil(deed))
    # Walked and not globbed: other tests make and remove folders there meanwhile.
    planted = [Path(folder) for folder, _, names in os.walk(session_cache) if "planted" in names]
    assert [path for path in planted if "uv" not in path.relative_to(session_cache).parts] == []
    assert built.additions.is_dir()
    assert not built.additions.is_symlink()


async def test_an_environment_s_own_programs_never_run_outside(build: Build, sandbox: Sandbox, tmp_path: Path) -> None:
    """A build that swaps the interpreter and plants start-up code: neither is run by us, nor followed."""
    mark = tmp_path / "mark"
    files = {"requirements.txt": "iniconfig", "n.txt": str(mark), "test_a.py": "def test_a(): pass\n"}
    built = await build(files)
    own = BuiltEnvironment("x", tmp_path / "swapped", tmp_path / "swapped/additions")
    shutil.copytree(built.folder, own.folder, symlinks=True)
    python = own.folder / "venv/bin/python"
    python.unlink()
    python.write_text(f"#!/bin/sh\ntouch {mark}\n")
    python.chmod(0o755)
    (packages,) = (own.folder / "venv/lib").glob("python3.*/site-packages")
    (packages / "evil.pth").write_text(f"import os; os.system('touch {mark}')\n")
    os.mkfifo(packages / "pipe.pth")
    workspace = await sandbox.open((tmp_path / "tree",), TrialLimits())
    try:
        active = testing.activation(own, workspace)
        await testing.test(workspace, own, TestPlan(everything=True, lines={"test_a.py": [1]}), 20)
    finally:
        await workspace.close()
    assert not mark.exists()
    assert all(mount.path.is_relative_to("/") and not mount.writable for mount in active.mounts)
    assert environment._roots(own.folder / "venv", Path("/workspace"), tmp_path / "tree") == ["."]


def _kill_when(path: Path, argv: list[str]) -> None:
    """Start a program and kill it as soon as `path` is there."""
    with subprocess.Popen(argv) as process:
        while process.poll() is None and not path.exists():
            time.sleep(0.01)
        assert process.poll() is None, "it was done too soon"
        process.kill()


async def test_a_killed_build_leaves_nothing_half_used(
    build: Build, session_cache: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Two processes want it; the first is killed half-way, and the second's is whole."""
    warm = await build({"requirements.txt": "iniconfig\npackaging\n"})
    lines = (warm.folder / "requirements.txt").read_text().splitlines()
    recipe = Environment(
        key=digest("killed", str(os.getpid())),
        language="python",
        interpreter=(warm.folder / "interpreter").read_text(),
        requirements=tuple(lines),
        project_digest="",
        as_of=None,
        sources=(),
    )
    (tmp_path / "recipe.json").write_text(recipe.model_dump_json())
    script = f"""
import asyncio
from pathlib import Path
from worktrial.formats.task import Environment
from worktrial.languages.python import environment
from worktrial.sandboxes.select import choose
recipe = Environment.model_validate_json(Path({str(tmp_path / "recipe.json")!r}).read_text())
asyncio.run(environment.build(recipe, choose({sandbox.tier!r}), Path({str(tmp_path / "tree")!r})))
"""
    folder = session_cache / "environments" / recipe.key
    _kill_when(folder / "venv/bin", [sys.executable, "-c", script])
    assert not folder.with_name(f"{recipe.key}.finished").exists()
    built, again = await asyncio.gather(*(environment.build(recipe, sandbox, tmp_path / "tree") for _ in range(2)))
    assert built == again
    assert await runs(sandbox, built, tmp_path / "tree", "import iniconfig, packaging; print('whole')") == "whole"
