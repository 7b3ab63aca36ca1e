"""Building Python environments with uv, in a sandbox with network, once per distinct input."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import re
import shutil
import tarfile
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from worktrial.errors import EnvironmentBuildError
from worktrial.formats.run import TrialLimits
from worktrial.formats.task import Environment
from worktrial.languages.protocol import BuiltEnvironment, ReadFile
from worktrial.languages.python import interpreters
from worktrial.languages.python.declared import Declared, declared
from worktrial.languages.python.interpreters import Interpreter, uv_path
from worktrial.sandboxes.layers import EPOCH
from worktrial.sandboxes.owner import hand_over
from worktrial.sandboxes.protocol import Command, Finished, Mount, Sandbox, Workspace
from worktrial.store.cache import building_slowly, cache_dir, digest
from worktrial.store.files import read_model, write_bytes, write_json, write_text

_BUILD_TIMEOUT_S = 1800.0
_LIMITS = TrialLimits(memory_mib=16384, disk_mib=8192, processes=4096)
_VERSION = "8"
"""Raised when environments are built differently, so that old ones are not used."""
_PINNED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?\s*(==|@ (?!file:))")
_NOT_ADDED = re.compile(
    r"(^|/)(build|dist|__pycache__|\.eggs|\.git|tmp[^/]*)/|\.(pyc|pyo|o|obj|log)$"
    # Names the files of whichever task was the first to need the environment.
    r"|\.egg-info/SOURCES\.txt$"
)
_EMPTY_README = """
cd "$0" && for file in README* readme* Readme*
do if [ -f "$file" ] && [ ! -L "$file" ]; then : >"$file"; fi; done
"""
"""Metadata holds the project's long description, and tasks of other changes share the environment: it would tell them
what those changes are about."""
_FRAME = re.compile("^[ \u00d7\u2570\u2500\u25b6\u2502\u251c]+")
"""The frame uv draws around its complaints."""
_VERSION_VARIABLES = (
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "PBR_VERSION",
    "VERSIONEER_OVERRIDE",
    "POETRY_DYNAMIC_VERSIONING_BYPASS",
)
"""What tools that take a project's version from git tags read instead: a workspace has no tags."""


@dataclass(frozen=True)
class _Builder:
    """A workspace that uv runs in, and what it needs to see."""

    workspace: Workspace
    interpreter: Interpreter
    reads: tuple[Path, ...]
    writes: tuple[Path, ...] = ()
    """Holds nothing that we read back as our own: what is built may write whatever it likes there."""

    async def uv(self, *args: str, stdin: bytes = b"", pretend_version: bool = False) -> Finished:
        """Run uv inside, with network; `pretend_version` is for projects whose version is in git tags."""
        cache = cache_dir() / "uv"
        env = interpreters.index_environment()
        env |= {"UV_CACHE_DIR": str(cache), "UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
        # Hard links cannot cross from the cache's mount to the environment's; copying says nothing about it.
        env |= {"UV_LINK_MODE": "copy", "PATH": f"{uv_path().parent}:/usr/local/bin:/usr/bin:/bin"}
        if pretend_version:
            env |= dict.fromkeys(_VERSION_VARIABLES, "999.0")
        certificates = [Path(path) for name, path in env.items() if name.startswith("SSL_CERT") and Path(path).exists()]
        mounts = [Mount(cache, writable=True), Mount(uv_path().parent), *map(Mount, self.reads)]
        mounts += [Mount(path, writable=True) for path in self.writes]
        mounts += [Mount(interpreters.base_prefix(self.interpreter.path)), *map(Mount, certificates)]
        return await self.workspace.run(
            Command(
                (str(uv_path()), *args),
                timeout_s=_BUILD_TIMEOUT_S,
                env=env,
                stdin=stdin,
                mounts=tuple(mount for mount in mounts if not mount.path.is_relative_to("/usr")),
                network=True,
            )
        )


async def resolve(
    read: ReadFile, sandbox: Sandbox, tree: Path, *, as_of: date | None, wide: bool = False
) -> Environment:
    """Return the recipe of the environment that a tree declares, from the cache when these inputs were resolved before.

    Raises `EnvironmentBuildError` when nothing that fits is found.
    """
    found = declared(read, wide=wide)
    interpreter = interpreters.choose(found.requires_python, as_of)
    key = digest(_VERSION, found.key(read), interpreter.minor, str(as_of))
    path = cache_dir() / "resolutions" / f"{key}.json"
    if path.exists():
        return read_model(path, Environment, "cached resolution")
    requirements = await _compile(found, interpreter, sandbox, tree, as_of)
    recipe = Environment(
        key=digest(_VERSION, interpreter.minor, found.build_digest if found.installable else "", *requirements),
        language="python",
        interpreter=interpreter.minor,
        requirements=tuple(requirements),
        project_digest=found.build_digest if found.installable else "",
        as_of=as_of.isoformat() if as_of else None,
        sources=tuple(found.sources),
    )
    write_json(path, recipe)
    return recipe


async def _compile(
    found: Declared, interpreter: Interpreter, sandbox: Sandbox, tree: Path, as_of: date | None
) -> list[str]:
    """Return the pinned requirements, trying without the lock's constraints when they cannot be met."""
    folder = cache_dir() / "constraints"
    (cache_dir() / "uv").mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    workspace = await sandbox.open((tree,), _LIMITS)
    try:
        builder = _Builder(workspace, interpreter, (folder,))
        finished = None
        # A pretended version would reach dependencies built from source too, so it is the last thing tried.
        for pretend_version, constraints in itertools.product((False, True), _constraint_sets(found, as_of)):
            finished = await builder.uv(
                *_compile_arguments(found, interpreter, as_of),
                *("--constraint", _write_input(folder, constraints)),
                stdin="\n".join([*found.requirements, "pytest"]).encode(),
                pretend_version=pretend_version,
            )
            if finished.exit_code == 0:
                lines = finished.output.decode("utf-8", "replace").splitlines()
                return [line.strip() for line in lines if _PINNED.match(line)]
    finally:
        await workspace.close()
    raise EnvironmentBuildError("could not resolve the environment", cause=_complaint(finished))


def _constraint_sets(found: Declared, as_of: date | None) -> list[list[str]]:
    """Return what to hold versions to, strictest first. A date says by itself what there was."""
    return [found.constraints, ["pytest"]] if found.constraints and as_of is None else [["pytest"]]


def _compile_arguments(found: Declared, interpreter: Interpreter, as_of: date | None) -> list[str]:
    arguments = ["pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python", str(interpreter.path)]
    if as_of is not None:
        arguments += ["--exclude-newer", as_of.isoformat()]
    arguments += found.files
    if found.project_file:
        arguments.append(found.project_file)
        arguments += [part for extra in found.extras for part in ("--extra", extra)]
    return arguments + [part for group in found.groups for part in ("--group", group)]


def _write_input(folder: Path, lines: list[str]) -> str:
    """Write lines to a file both sides see at the same path, and return that path."""
    path = folder / f"{digest(*lines)}.txt"
    if not path.exists():
        write_text(path, "\n".join(lines) + "\n")
    return str(path)


def _complaint(finished: Finished | None) -> str:
    """Return what uv said of a failure, in one line."""
    if finished is None:
        return "nothing was tried"
    if finished.ended != "completed":
        return finished.ended.replace("_", " ")
    text = finished.output.decode("utf-8", "replace").strip()
    lines = [line for line in (_FRAME.sub("", line).strip() for line in text.splitlines()) if line]
    return " ".join(lines[:4])[:400]


async def build(recipe: Environment, sandbox: Sandbox, tree: Path) -> BuiltEnvironment:
    """Return the environment of a recipe, building it over the files of `tree` when it is not in the cache.

    Raises `EnvironmentBuildError`.
    """
    folder = cache_dir() / "environments" / recipe.key
    interpreter = interpreters.for_version(recipe.interpreter)
    # A virtual environment knows its own path and cannot be moved into place, so an empty folder marks it as finished.
    async with building_slowly(folder.with_name(f"{recipe.key}.finished")) as marker:
        if marker is not None:
            shutil.rmtree(folder, ignore_errors=True)
            await _fill(folder, recipe, interpreter, sandbox, tree)
    return BuiltEnvironment(recipe.key, folder, hand_over(folder / "additions"))


async def _fill(folder: Path, recipe: Environment, interpreter: Interpreter, sandbox: Sandbox, tree: Path) -> None:
    (cache_dir() / "uv").mkdir(parents=True, exist_ok=True)
    for name in ("additions", "venv"):
        (folder / name).mkdir(parents=True)
    write_text(folder / "requirements.txt", "\n".join(recipe.requirements) + "\n")
    write_text(folder / "interpreter", recipe.interpreter)
    workspace = await sandbox.open((tree,), _LIMITS)
    try:
        builder = _Builder(workspace, interpreter, (folder / "requirements.txt",), (folder / "venv",))
        venv = str(folder / "venv")
        python = f"{venv}/bin/python"
        await _must(builder.uv("venv", "--quiet", "--clear", "--python", str(interpreter.path), venv))
        install = ("pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", python)
        await _must(builder.uv(*install, "-r", str(folder / "requirements.txt")))
        if recipe.project_digest:
            await workspace.host(["sh", "-c", _EMPTY_README, "{workspace}"], env=os.environ)
            project = (*install, "--config-setting", "editable_mode=compat", "--editable", str(workspace.root))
            done = await builder.uv(*project, pretend_version=True)
            if done.exit_code != 0:
                # Tests can still import the project from its folder; only its metadata is missing then.
                write_text(folder / "project-not-installed.txt", done.output.decode("utf-8", "replace"))
        await _keep_additions(workspace, tree, folder / "additions")
        roots = await asyncio.to_thread(_roots, folder / "venv", workspace.root, tree)
        write_text(folder / "roots", "\n".join(roots) + "\n")
    finally:
        await workspace.close()


async def _must(doing: Awaitable[Finished]) -> None:
    finished = await doing
    if finished.exit_code != 0:
        raise EnvironmentBuildError("could not build the environment", cause=_complaint(finished))


async def _keep_additions(workspace: Workspace, tree: Path, additions: Path) -> None:
    """Copy what building put into the work tree, and did not find there, to `additions`."""
    tar = "tar --create --hard-dereference --null --files-from=- --file=-"
    script = f'cd "$0" && find . -type f -newermt @{EPOCH} -print0 | {tar}'
    packed = await workspace.host(["sh", "-c", script, "{workspace}"], env=os.environ)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and not _NOT_ADDED.search(name) and not os.path.lexists(tree / name):
                # By hand: `extract` filters what is unsafe only from Python 3.11.4 on, and this is a plain file.
                target = additions / name
                content = archive.extractfile(member)
                write_bytes(target, content.read() if content is not None else b"")
                target.chmod(0o755 if member.mode & 0o100 else 0o644)


def _roots(venv: Path, workspace: Path, tree: Path) -> list[str]:
    """Return the folders, relative to the workspace, that imports are looked up in; `.` is the workspace itself."""
    found = []
    for path in sorted(venv.glob("lib/python*/site-packages/*.pth")):
        if not path.is_file():  # a pipe, say, that would keep us waiting
            continue
        lines = path.read_text("utf-8", "replace").splitlines()
        found += [os.path.relpath(line.strip(), workspace) for line in lines if line.startswith(str(workspace))]
    if not found and (tree / "src").is_dir():
        found.append("src")
    return list(dict.fromkeys([*found, "."]))
