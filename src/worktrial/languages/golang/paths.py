"""What a path is to a Go task: source, test, documentation, settings; by name, and by content where names lie.

Everything here is a pure function of a path and perhaps a text, never raises, and knows nothing of git.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import PurePosixPath

from worktrial.formats.candidate import Role
from worktrial.languages.naming import ASIDE_FOLDERS, COMMON_SETTINGS, DOCS_FOLDERS, TEST_FOLDER, is_docs

_HELPERS_FOLDER = re.compile(
    r"test(?:ing|[_-]?(?:utils?|helpers?|kit|env|support|common))|(?:e2e|integration)[_-]?tests?|e2e|\w+_test"
    r"|mocks|fakes|fixtures|golden",
    re.IGNORECASE,
)
"""Folders of what tests share, besides those of every language: hidden with the tests, for these may need new ones."""
_MAYBE_HELPER = re.compile(
    r"(?:.*[_-])?test(?:ing|ers?|[_-]?(?:utils?|helpers?|support))?\.go|mock_\w+\.go|\w+_mock\.go"
)
_IMPORTS_TESTING = re.compile(r'^\s*(?:import\s+)?(?:\w+\s+)?"testing"\s*$', re.MULTILINE)
_MODULE_FILES = frozenset({"go.mod", "go.sum", "go.work", "go.work.sum"})
_SETTINGS = COMMON_SETTINGS | _MODULE_FILES | {
    "taskfile.yml", "taskfile.yaml", "magefile.go", "mise.toml", "buf.yaml", "buf.gen.yaml", "buf.lock", "sqlc.yaml",
    "sqlc.yml", "dockerfile", ".dockerignore", "tools.go", ".tool-versions", "renovate.json", "codecov.yml",
}  # fmt: skip
_SETTINGS_NAME = re.compile(
    r"\.golangci\..*|\.?goreleaser.*\.ya?ml|\.pre-commit.*\.ya?ml|docker-compose.*\.ya?ml|\.mockery.*\.ya?ml|.*\.lock"
    r"|\.codecov\.ya?ml"
)
_COMPILED_BY_GO = frozenset({".go", ".s", ".c", ".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".m", ".syso"})
_GENERATED_FROM = frozenset(
    {".proto", ".y", ".rl", ".g4", ".peg", ".templ", ".qtpl", ".thrift", ".rs", ".zig", ".capnp"}
)
"""What a program that is not Go's has to read before tests see a change."""
_EMBEDDED = frozenset({
    ".tmpl", ".gotmpl", ".gohtml", ".tpl", ".html", ".sql", ".graphql", ".json", ".yaml", ".yml", ".toml", ".txt",
    ".css", ".js", ".svg", ".xml", ".csv", ".cue", ".rego", ".star", ".lua", ".sh", ".bash", ".zsh", ".fish", ".ps1",
})  # fmt: skip
"""Data that a package may embed."""
_NOT_PACKAGES = ASIDE_FOLDERS | DOCS_FOLDERS | {
    "scripts", "script", "hack", "ci", "build", "dist", "deploy", "deployments", "charts", "helm", "packaging",
    "website", "node_modules", "assets", "images", "contrib",
}  # fmt: skip


def role(path: str, content: Callable[[], str | None]) -> Role:
    """Tell what the file at `path` is to a task; see `Language.role`.

    `content` is called only for names that tests' helpers and source share (`testutil.go`): what imports `testing` is
    for tests. When it has none to give, the name decides.
    """
    known = _role_by_path(path)
    if known is not None:
        return known
    text = content()
    return "test" if text is None or _IMPORTS_TESTING.search(text) else "source"


@lru_cache(maxsize=65536)
def _role_by_path(path: str) -> Role | None:
    """Return the role where the path alone tells it; None where the content must be asked."""
    *folders, name = path.split("/")
    lower = name.lower()
    first = folders[0].lower() if folders else ""
    if lower in _MODULE_FILES and "testdata" not in folders:
        return "config"
    if "vendor" in folders:
        return "source"
    if name.endswith("_test.go") or any(_for_tests(folder) for folder in folders):
        return "test"
    if lower in _SETTINGS or _SETTINGS_NAME.fullmatch(lower):
        return "config"
    return _role_by_suffix(lower, first)


def _role_by_suffix(name: str, first: str) -> Role | None:
    """Return the role of a file that is neither settings nor among tests; None where its content must be asked."""
    suffix = PurePosixPath(name).suffix
    if suffix not in _COMPILED_BY_GO and is_docs(name, first):
        return "docs"
    if first in ASIDE_FOLDERS | DOCS_FOLDERS or first.startswith((".", "_")):
        return "other"
    if suffix == ".go" and _MAYBE_HELPER.fullmatch(name):
        return None
    embedded = suffix in _EMBEDDED and first and first not in _NOT_PACKAGES
    return "source" if suffix in _COMPILED_BY_GO | _GENERATED_FROM or embedded else "other"


def _for_tests(folder: str) -> bool:
    return bool(TEST_FOLDER.fullmatch(folder) or _HELPERS_FOLDER.fullmatch(folder))


def needs_build(path: str) -> bool:
    """Tell whether a change of this file needs more than `go test` before tests see it; see `Language.needs_build`.

    What Go compiles, C and assembler beside it too, `go test` compiles anew by itself.
    """
    return PurePosixPath(path.lower()).suffix in _GENERATED_FROM


def infrastructure(path: str) -> bool:
    """Tell whether the file decides how tests run; see `Language.infrastructure`.

    Module files say which code the imports of tests are; a new one hides the tests below it. So does what is vendored.
    """
    *folders, name = path.split("/")
    return name in _MODULE_FILES or "vendor" in folders


def holds_tests(path: str) -> bool:
    """Whether `go test` looks for tests in a file of this name."""
    *folders, name = path.split("/")
    if not name.endswith("_test.go") or name.startswith(("_", ".")):
        return False
    return not any(folder in ("testdata", "vendor") or folder.startswith(("_", ".")) for folder in folders)


def related_tests(source: Collection[str], tests: Collection[str]) -> tuple[str, ...]:
    """Return those of `tests`, in order, whose name says they test a file in `source`; see `Language.related_tests`.

    `pkg/parse.go` is tested by `parse_test.go` and `parse_more_test.go` of its folder, by `pkg_test.go` there, and by
    `parse_test.go` in a folder of tests.
    """
    places: set[tuple[str, str]] = set()
    stems: set[str] = set()
    for path in source:
        pure = PurePosixPath(path.lower())
        if pure.suffix == ".go":
            places |= {(str(pure.parent), pure.stem), (str(pure.parent), pure.parent.name)}
            stems.add(pure.stem)
    return tuple(dict.fromkeys(path for path in tests if _tests_one_of(PurePosixPath(path.lower()), places, stems)))


def _tests_one_of(path: PurePosixPath, places: set[tuple[str, str]], stems: set[str]) -> bool:
    if not path.name.endswith("_test.go"):
        return False
    words = path.name.removesuffix("_test.go").split("_")
    named = {"_".join(words[:count]) for count in range(1, len(words) + 1)}
    if any((str(path.parent), name) in places for name in named):
        return True
    return "_".join(words) in stems and any(_for_tests(folder) for folder in path.parts[:-1])
