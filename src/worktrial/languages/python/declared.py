"""What a repository declares of its environment: read from its files, nothing of it is run."""

from __future__ import annotations

import ast
import configparser
import contextlib
import json
import posixpath
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from worktrial.languages.protocol import ReadFile
from worktrial.languages.python import poetry
from worktrial.languages.python.syntax import parse
from worktrial.store.cache import digest

_TEST_NAME = re.compile(r"^(unit[-_]?)?(tests?|testing|pytest|hatch-test)([-_.].*)?$", re.IGNORECASE)
_DEV_NAME = re.compile(r"^(dev|devel|develop|development|all|default)$", re.IGNORECASE)
_SKIPPED_NAME = re.compile(r"random|benchmark|bench|fuzz|e2e|docs?$|typ(es|ing)$|lint", re.IGNORECASE)
_REQUIREMENT_FILES = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements-testing.txt",
    "requirements_test.txt",
    "requirements_tests.txt",
    "test-requirements.txt",
    "test_requirements.txt",
    "tests/requirements.txt",
    "test/requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
)
_DEV_REQUIREMENT_FILES = (
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
    "requirements/development.txt",
)
_NAMED_FILE = re.compile(r"[\w./-]+\.(?:txt|in)\b")
_MOST_FILES = 50
_ELSEWHERE = {"editable", "virtual", "directory", "git", "path", "file", "url"}
"""What says in a lock file that a package does not come from an index."""
_BUILD_TABLES = ("flit", "hatch", "pdm", "poetry", "scikit-build", "setuptools", "setuptools_scm", "uv")


@dataclass
class Declared:
    """What was found, in the order it was found."""

    wide: bool = False
    """Whether every extra and group is taken, not only those named for tests."""
    requires_python: str = ""
    installable: bool = False
    """Whether the repository is a project that an installer can install."""
    project_file: str = ""
    """The file that names its dependencies: `pyproject.toml`, `setup.py` or empty."""
    extras: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    """Single requirements, PEP 508."""
    files: list[str] = field(default_factory=list)
    """Requirements files, relative to the root."""
    constraints: list[str] = field(default_factory=list)
    """`name==version` from lock files."""
    sources: list[str] = field(default_factory=list)
    """Where all this stands."""
    build_digest: str = ""
    """Hash of the build settings of the project."""

    def key(self, read: ReadFile) -> str:
        """Return a hash of everything that resolving reads, the files that these files name included."""
        texts: dict[str, str] = {}
        names = ["pyproject.toml", "setup.py", "setup.cfg", *self.files]
        for name in names:
            if name in texts or len(texts) > _MOST_FILES:
                continue
            texts[name] = read(name) or ""
            for named in _NAMED_FILE.findall(texts[name]):
                names += {posixpath.normpath(named), posixpath.normpath(posixpath.join(posixpath.dirname(name), named))}
        return digest(repr(self), *(f"{name}\0{text}" for name, text in sorted(texts.items()) if text))


def declared(read: ReadFile, *, wide: bool = False) -> Declared:
    """Return what the files of a tree declare; `wide` takes every extra and group but those for docs and lint.

    Files that do not parse are passed over: others may still tell.
    """
    found = Declared(wide=wide)
    pyproject = _toml(read("pyproject.toml"))
    _from_pyproject(pyproject, found)
    _from_setup_cfg(read("setup.cfg"), found)
    _from_setup_py(read("setup.py"), found)
    tool = table(pyproject.get("tool"))
    legacy = table(tool.get("tox")).get("legacy_tox_ini")
    _from_tox(read("tox.ini") or (legacy if isinstance(legacy, str) else None), found, read)
    _from_nox(read("noxfile.py"), found, read)
    _from_requirement_files(found, read)
    _from_locks(found, read)
    groups = {_normal(name) for name in table(pyproject.get("dependency-groups"))}
    found.groups = [group for group in found.groups if _normal(group) in groups]  # the installer knows no other
    tables = {name: tool.get(name) for name in _BUILD_TABLES}
    project = {key: pyproject.get(key) for key in ("project", "build-system")}
    found.build_digest = digest(
        json.dumps([project, tables], sort_keys=True, default=str), read("setup.py") or "", read("setup.cfg") or ""
    )
    for values in (found.extras, found.groups, found.requirements, found.files, found.sources):
        values[:] = dict.fromkeys(values)
    return found


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def table(value: object) -> dict[str, Any]:
    """Return `value` if it is a table, else an empty one: files are written by people."""
    return value if isinstance(value, dict) else {}


def strings(value: object) -> list[str]:
    """Return the strings of a list; none if it is no list."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _parse(text: str | None) -> ast.Module | None:
    try:
        return parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def chosen_names(names: Iterable[str], *, wide: bool = False) -> list[str]:
    """Return the names of extras or groups that tests need: those named for tests, else those for development."""
    listed = [name for name in names if not _SKIPPED_NAME.search(name)]
    if wide:
        return listed
    return [name for name in listed if _TEST_NAME.match(name)] or [name for name in listed if _DEV_NAME.match(name)]


def _from_pyproject(pyproject: dict[str, Any], found: Declared) -> None:
    project, tool = table(pyproject.get("project")), table(pyproject.get("tool"))
    if project.get("name") or "poetry" in tool or "flit" in tool:
        found.installable, found.project_file = True, "pyproject.toml"
        found.sources.append("pyproject.toml")
    found.requires_python = str(project.get("requires-python", ""))
    if extras := chosen_names(table(project.get("optional-dependencies")), wide=found.wide):
        found.extras += extras
        found.sources.append(f"pyproject.toml [project.optional-dependencies] {', '.join(extras)}")
    if groups := chosen_names(table(pyproject.get("dependency-groups")), wide=found.wide):
        found.groups += groups
        found.sources.append(f"pyproject.toml [dependency-groups] {', '.join(groups)}")
    _add(found, table(tool.get("uv")).get("dev-dependencies"), "pyproject.toml [tool.uv] dev-dependencies")
    pdm = table(table(tool.get("pdm")).get("dev-dependencies"))
    for name in chosen_names(pdm, wide=found.wide):
        _add(found, pdm[name], f"pyproject.toml [tool.pdm.dev-dependencies] {name}")
    for name, environment in table(table(tool.get("hatch")).get("envs")).items():
        if name in ("default", "test", "hatch-test"):
            for key in ("dependencies", "extra-dependencies"):
                _add(found, table(environment).get(key), f"pyproject.toml [tool.hatch.envs.{name}]")
            found.extras += strings(table(environment).get("features"))
    if "poetry" in tool:
        python, listed, extras = poetry.read(table(tool["poetry"]), partial(chosen_names, wide=found.wide))
        found.requires_python = found.requires_python or python
        found.extras += extras
        _add(found, listed, "pyproject.toml [tool.poetry]")
    for name in ("env_run_base", "env.py", "env.test"):
        _from_tox_table(table(tool.get("tox")), name, found)


def _from_tox_table(tox: dict[str, Any], name: str, found: Declared) -> None:
    """Read a tox 4 environment in TOML."""
    environment = tox
    for part in name.split("."):
        environment = table(environment.get(part))
    found.groups += strings(environment.get("dependency_groups"))
    found.extras += strings(environment.get("extras"))
    _add(found, environment.get("deps"), f"pyproject.toml [tool.tox.{name}] deps")


def _add(found: Declared, requirements: object, source: str) -> None:
    kept = [line.strip() for line in strings(requirements) if is_requirement(line)]
    if kept:
        found.requirements += kept
        found.sources.append(source)


def is_requirement(line: str) -> bool:
    """Whether a line is a plain requirement: a name first, no option, path, placeholder or comment."""
    return re.match(r"^\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*($|[<>=!~;@(#])", line) is not None


def _ini(text: str | None) -> configparser.ConfigParser:
    """Return a parsed INI file; an empty one for none, and what was read so far for one that is torn."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(configparser.Error):
        parser.read_string(text or "")
    return parser


def _from_setup_cfg(text: str | None, found: Declared) -> None:
    parser = _ini(text)
    if parser.has_section("metadata") and parser.has_option("metadata", "name"):
        found.installable = True
        found.project_file = found.project_file or "setup.cfg"
        found.sources.append("setup.cfg")
    found.requires_python = found.requires_python or parser.get("options", "python_requires", fallback="")
    if parser.has_section("options.extras_require"):
        extras = chosen_names(parser.options("options.extras_require"), wide=found.wide)
        found.extras += extras
    _add(found, parser.get("options", "tests_require", fallback="").splitlines(), "setup.cfg tests_require")


def _from_setup_py(text: str | None, found: Declared) -> None:
    if not text:
        return
    found.installable = True
    if found.project_file != "pyproject.toml":
        found.project_file = "setup.py"
    found.sources.append("setup.py")
    tree = _parse(text)
    if tree is None:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.keyword):
            continue
        if node.arg == "extras_require" and isinstance(node.value, ast.Dict):
            found.extras += chosen_names(_strings(node.value.keys), wide=found.wide)
        elif node.arg == "tests_require" and isinstance(node.value, ast.List):
            _add(found, _strings(node.value.elts), "setup.py tests_require")
        elif node.arg == "python_requires":
            found.requires_python = found.requires_python or "".join(_strings([node.value]))


def _strings(nodes: Iterable[ast.expr | None]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _from_tox(text: str | None, found: Declared, read: ReadFile) -> None:
    parser = _ini(text)
    found.groups += parser.get("testenv", "dependency_groups", fallback="").replace(",", "\n").split()
    found.extras += [
        extra for extra in parser.get("testenv", "extras", fallback="").replace(",", "\n").split() if "{" not in extra
    ]
    lines = [line.strip() for line in parser.get("testenv", "deps", fallback="").splitlines()]
    for line in lines:
        if match := re.match(r"^-r\s*(?:\{toxinidir\}/)?([\w./-]+)$", line):
            _add_file(found, match[1], read)
    # A line for some factors only (`py27: mock`) is left out, as is one with a placeholder.
    _add(found, [line for line in lines if "{" not in line and not re.match(r"^[!\w,-]+:\s", line)], "tox.ini deps")


def _from_nox(text: str | None, found: Declared, read: ReadFile) -> None:
    tree = _parse(text)
    if tree is None:
        return
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef) or not _TEST_NAME.match(function.name):
            continue
        for call in ast.walk(function):
            is_install = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            if is_install and isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "install":
                _from_install(_strings(call.args), found, read)


def _from_install(words: list[str], found: Declared, read: ReadFile) -> None:
    """Read the arguments of a `session.install(...)`."""
    for before, word in zip(["", *words], words, strict=False):
        if before in ("-r", "--requirement"):
            _add_file(found, word, read)
        elif before == "--group":
            found.groups.append(word)
        elif match := re.match(r"^\.\[([\w,.-]+)\]$", word):
            found.extras += match[1].split(",")
        elif before not in ("-e", "-c", "--editable"):
            _add(found, [word], "noxfile.py")


def _add_file(found: Declared, name: str, read: ReadFile) -> None:
    if read(name) is not None:
        found.files.append(name)
        found.sources.append(name)


def _from_requirement_files(found: Declared, read: ReadFile) -> None:
    present = [name for name in _REQUIREMENT_FILES if read(name) is not None]
    nothing_yet = not (found.extras or found.groups or found.requirements or found.files or present)
    if nothing_yet:
        present = [name for name in _DEV_REQUIREMENT_FILES if read(name) is not None]
    if not found.installable and read("requirements.txt") is not None:
        present.append("requirements.txt")
    for name in present:
        _add_file(found, name, read)


def _from_locks(found: Declared, read: ReadFile) -> None:
    for name in ("uv.lock", "poetry.lock", "pdm.lock"):
        packages = _toml(read(name)).get("package")
        versions: dict[str, set[str]] = {}
        for package in packages if isinstance(packages, list) else []:
            match package:
                case {"name": str(held_name), "version": str(version)}:
                    source = table(package.get("source"))
                    # Poetry says by `type` what uv and pdm say by a key.
                    if not _ELSEWHERE & {*source, str(source.get("type"))}:
                        versions.setdefault(held_name, set()).add(version)
                case _:
                    pass
        if versions:
            # A package locked at several versions (by Python version, say) constrains nothing here.
            found.constraints += [f"{name}=={min(held)}" for name, held in sorted(versions.items()) if len(held) == 1]
            found.sources.append(name)
            return
