"""What a path is to a Python task: source, test, documentation, settings; by name, and by content where names lie.

Everything here is a pure function of a path and perhaps a text, never raises, and knows nothing of git.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import PurePosixPath

from worktrial.formats.candidate import Role
from worktrial.languages.naming import ASIDE_FOLDERS, COMMON_SETTINGS, DOCS_FOLDERS, TEST_FOLDER, is_docs

_TEST_NAME = re.compile(r"test_.*\.py|.*_tests?\.py", re.IGNORECASE)
_MAYBE_TEST_NAME = re.compile(r"tests?\.py|testing\.py", re.IGNORECASE)
_HELPER_NAME = re.compile(r"(?:utils?|helpers?|cases?|runners?|client|base|tools?|support|mixins?|fixtures?|common)")
_TEST_FUNCTION = re.compile(r"^(?:async[ \t]+)?def[ \t]+test\w*[ \t]*\(", re.MULTILINE)
_TEST_METHOD = re.compile(
    r"^class[ \t]+(?:Test\w*|\w*Tests?\b|\w+[ \t]*\([^)]*TestCase)[^\n]*\n(?:(?:[ \t#)][^\n]*)?\n)*?"
    r"[ \t]+(?:async[ \t]+)?def[ \t]+test",
    re.MULTILINE,
)
_CHECK = re.compile(r"^[ \t]*assert\b|\bpytest\b|\bunittest\b|\bself\.(?:assert|fail)\w*\(", re.MULTILINE)

_INFRASTRUCTURE = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg",
    "pyproject.toml", ".coveragerc", "sitecustomize.py", "usercustomize.py",
})  # fmt: skip
_STARTED = frozenset({"sitecustomize", "usercustomize"})
"""Modules, in whatever form, that Python imports by itself at its start."""
_HIDDEN_CODE = _STARTED | {"__pycache__"}
"""Folders of code that is run in place of, or before, the code one sees."""
_SETTINGS = COMMON_SETTINGS | _INFRASTRUCTURE - {"conftest.py", "sitecustomize.py", "usercustomize.py"} | {
    "noxfile.py", "manifest.in", "pipfile", "environment.yml", "environment.yaml", "meson.build", "meson.options",
    "meson_options.txt", "cmakelists.txt", "cargo.toml", "mypy.ini", ".flake8", "ruff.toml", ".ruff.toml", ".pylintrc",
    "pylintrc", "pyrightconfig.json", ".isort.cfg", ".python-version", "tox.toml", "uv.toml", "hatch.toml",
    "pixi.toml", "buildconfig.json",
}  # fmt: skip
_SETTINGS_NAME = re.compile(
    r"(?:.*[-_.])?requirements(?:[-_.].*)?\.(?:txt|in)|constraints?(?:[-_.].*)?\.txt|.*\.lock|pipfile.*"
    r"|\.pre-commit.*\.ya?ml|\.readthedocs\.ya?ml|readthedocs\.ya?ml|pylock(?:\..*)?\.toml"
)
_ROOT_SETTINGS = frozenset({"setup.py", "versioneer.py", "fabfile.py"})

_COMPILED_SUFFIXES = frozenset({
    ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx", ".pyx", ".pxd", ".pxi", ".rs", ".f", ".f77", ".f90",
    ".f95", ".for", ".cu", ".cuh", ".s", ".asm", ".m", ".mm", ".go", ".zig", ".swg", ".pyf",
})  # fmt: skip
_TEMPLATE_SUFFIXES = frozenset({".in", ".tp", ".src", ".templ", ".tmpl"})
_BUILD_FILES = frozenset({"meson.build", "cmakelists.txt", "cargo.toml", "cargo.lock", "meson.options"})
_NOT_PACKAGES = ASIDE_FOLDERS | DOCS_FOLDERS | {
    "scripts", "script", "tools", "tool", "ci", "requirements", "assets", "artwork", "images", "docker", "deploy",
    "charts", "helm", "contrib", "bin", "etc", "data", "licenses", "packaging", "debian", "rpm", "conda", "recipe",
    "frontend", "website", "www", "web", "ui", "node_modules", "dist", "build", "po",
}  # fmt: skip
_DATA_SUFFIXES = frozenset({
    ".pyi", ".typed", ".json", ".yaml", ".yml", ".toml", ".txt", ".html", ".htm", ".jinja", ".jinja2", ".j2", ".tmpl",
    ".tpl", ".mako", ".xml", ".xsd", ".xsl", ".csv", ".tsv", ".sql", ".po", ".mo", ".pot", ".ini", ".cfg", ".conf",
    ".lark", ".g4", ".pest", ".gram", ".proto", ".graphql", ".sh", ".bash", ".fish", ".zsh", ".ps1", ".dat", ".schema",
    ".jsonschema", ".rules", ".tcss",
})  # fmt: skip
_WEB_SUFFIXES = frozenset({".js", ".css", ".svg", ".mjs"})
_WEB_FOLDERS = frozenset({"static", "templates", "assets"})


def role(path: str, content: Callable[[], str | None]) -> Role:
    """Tell what the file at `path` is to a task; see `Language.role`.

    `content` is called only for names that tests and source share (`test_utils.py`, `testing.py`); when it has none
    to give, the name decides.
    """
    known = _role_by_path(path)
    if known is not None:
        return known
    text = content()
    if _looks_like_test_by_name(path) if text is None else has_tests(text):
        return "test"
    first = path.split("/", 1)[0].lower() if "/" in path else ""
    if first in DOCS_FOLDERS:
        return "docs"
    return "other" if first in ASIDE_FOLDERS else "source"


def has_tests(text: str) -> bool:
    """Tell whether Python source `text` defines tests: functions or methods named so, and something they check."""
    return bool((_TEST_FUNCTION.search(text) or _TEST_METHOD.search(text)) and _CHECK.search(text))


def needs_build(path: str) -> bool:
    """Tell whether a change of this file needs a compiler before tests see it; see `Language.needs_build`."""
    pure = PurePosixPath(path.lower())
    suffixes = pure.suffixes
    if suffixes and suffixes[-1] in _TEMPLATE_SUFFIXES:
        suffixes = suffixes[:-1]
    return pure.name in _BUILD_FILES or bool(suffixes and suffixes[-1] in _COMPILED_SUFFIXES)


def infrastructure(path: str) -> bool:
    """Tell whether the file decides how tests run; see `Language.infrastructure`."""
    *folders, name = path.lower().split("/")
    if any(folder.endswith((".egg-info", ".dist-info")) or folder in _HIDDEN_CODE for folder in folders):
        return True  # pytest loads the plugins that the metadata of a package on the path names
    return name in _INFRASTRUCTURE or name.endswith((".pth", ".egg-info")) or name.split(".", 1)[0] in _STARTED


def holds_tests(path: str) -> bool:
    """Whether pytest looks for tests in a file of this name by itself (its default `python_files`)."""
    name = path.rsplit("/", 1)[-1]
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def related_tests(source: Collection[str], tests: Collection[str]) -> tuple[str, ...]:
    """Return those of `tests`, in order, whose name says they test a module in `source`; see `Language.related_tests`.

    `pkg/sub/_parse.py` is tested by `test_parse.py`, `test_parse_more.py`, `parse_test.py`, `test_sub_parse.py` and by
    any test file in a folder called `parse` or `test_parse`; a package's `__init__.py` goes by the package's name.
    """
    stems = {stem for path in source for stem in _module_names(path)}
    if not stems:
        return ()
    return tuple(dict.fromkeys(path for path in tests if _tests_one_of(path, stems)))


@lru_cache(maxsize=65536)
def _role_by_path(path: str) -> Role | None:
    """Return the role where the path alone tells it; None where the content must be asked."""
    folders = path.split("/")
    name = folders.pop().lower()
    in_tests = any(TEST_FOLDER.fullmatch(folder) for folder in folders)
    if _is_settings(name, folders, in_tests=in_tests):
        return "config"
    if in_tests or name == "conftest.py":
        return "test"
    first = folders[0].lower() if folders else ""
    return _python_role(name, first) if name.endswith(".py") else _other_role(name, first, folders)


def _other_role(name: str, first: str, folders: list[str]) -> Role:
    """Return the role of a file that is neither Python, nor settings, nor in a test folder."""
    if is_docs(name, first):
        return "docs"
    if first in ASIDE_FOLDERS or first.startswith("."):
        return "other"
    if needs_build(name) or _is_package_data(name, folders):
        return "source"
    return "other"


def _python_role(name: str, first: str) -> Role | None:
    """Return the role of a Python file outside of test folders; None where its content must be asked."""
    if _TEST_NAME.fullmatch(name) or _MAYBE_TEST_NAME.fullmatch(name):
        return None
    if first in DOCS_FOLDERS:
        return "docs"
    return "other" if first in ASIDE_FOLDERS or first.startswith(".") else "source"


def _is_settings(name: str, folders: list[str], *, in_tests: bool) -> bool:
    """Tell build and tool settings; inside test folders only requirements are, all else is test data."""
    if in_tests:
        return len(folders) == 1 and bool(re.fullmatch(r"(?:.*[-_.])?requirements(?:[-_.].*)?\.(?:txt|in)", name))
    if name in _SETTINGS or _SETTINGS_NAME.fullmatch(name):
        return True
    if not folders:
        return name in _ROOT_SETTINGS
    return "requirements" in (folder.lower() for folder in folders) and name.endswith((".txt", ".in"))


def _is_package_data(name: str, folders: list[str]) -> bool:
    """Tell data that lies inside a package as far as a path can show it."""
    inside = folders[1:] if folders and folders[0] == "src" else folders
    if not inside or not all(re.fullmatch(r"[\w-]+", folder) for folder in inside):
        return False
    if inside[0].lower() in _NOT_PACKAGES:
        return False
    suffix = PurePosixPath(name).suffix
    if suffix in _WEB_SUFFIXES:
        return any(folder.lower() in _WEB_FOLDERS for folder in inside[1:])
    return suffix in _DATA_SUFFIXES or name == "py.typed"


def _looks_like_test_by_name(path: str) -> bool:
    """Guess from the name alone: `test_parse.py` is a test, `test_utils.py` and `testing.py` are not."""
    name = path.rsplit("/", 1)[-1].lower()
    if not _TEST_NAME.fullmatch(name):
        return name in ("test.py", "tests.py")
    return not _HELPER_NAME.fullmatch(_without_test(name[:-3]))


def _without_test(stem: str) -> str:
    """Return what a test file's stem names: `parse` for `test_parse`, `parse_test` and `parse_tests`."""
    for prefix in ("test_", "tests_"):
        if stem.startswith(prefix):
            return stem[len(prefix) :]
    for suffix in ("_test", "_tests"):
        if stem.endswith(suffix):
            return stem[: -len(suffix)]
    return stem


def _module_names(path: str) -> set[str]:
    """Return the names under which tests of a module may go."""
    parts = path.lower().split("/")
    stem = parts.pop().split(".", 1)[0]
    folder = parts[-1].strip("_") if parts else ""
    if stem in ("__init__", "__main__", ""):
        return {folder} - {"", "src"}
    plain = stem.strip("_")
    return {plain, f"{folder}_{plain}"} - {""} if folder and folder != "src" else {plain} - {""}


def _tests_one_of(path: str, stems: set[str]) -> bool:
    """Tell whether a test file's name, or a folder it is in, names one of `stems`."""
    parts = path.lower().split("/")
    name = parts.pop()
    if not name.endswith(".py") or name in ("conftest.py", "__init__.py"):
        return False
    named = _without_test(name[:-3])
    if named in stems or any(_without_test(folder).strip("_") in stems for folder in parts[1:]):
        return True
    return name.startswith("test") and any(named.startswith(f"{stem}_") for stem in stems)
