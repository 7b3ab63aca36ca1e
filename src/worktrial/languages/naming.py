"""What files and folders are called in repositories of every language: documentation, settings, what lies aside."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

DOCS_FOLDERS = frozenset({
    "docs", "doc", "documentation", "changelog", "changelog.d", "changes", "changes.d", "news", "newsfragments",
    "release-notes", "releasenotes", "release_notes", "changelogs",
})  # fmt: skip
_DOCS_SUFFIXES = frozenset({".md", ".rst", ".adoc", ".mdx", ".rdoc"})
_DOCS_NAME = re.compile(
    r"(?:changes|changelog|history|news|readme|authors|contributors|contributing|license|licence|copying|notice"
    r"|security|code_of_conduct|todo|whatsnew|release[-_]?notes|upgrading|maintainers|thanks|credits)"
    r"(?:[-_.](?:txt|html|md|rst|[\w.-]*))?"
    r"|mkdocs\.ya?ml"
)
ASIDE_FOLDERS = frozenset({
    "examples", "example", "samples", "sample", "demo", "demos", "benchmarks", "benchmark", "bench", "asv_bench",
    "tutorials", "tutorial", "notebooks", "playground",
})  # fmt: skip
TEST_FOLDER = re.compile(
    r"tests?|testsuites?|testcases?|unittests?|testdata|__tests__|__snapshots__"
    r"|(?:\w+[_-])+tests|(?:unit|integration|functional|acceptance|regression|system|e2e)[_-]test"
    r"|tests[_-][\w-]+|test[_-](?:data|files?|cases?|suites?|fixtures?|assets|resources|support|unit|integration)",
    re.IGNORECASE,
)
COMMON_SETTINGS = frozenset({
    ".editorconfig", ".gitignore", ".gitattributes", ".gitmodules", ".git-blame-ignore-revs", "makefile", "justfile",
})  # fmt: skip


def is_docs(name: str, first: str) -> bool:
    """Tell documentation by its name, in small letters, or by the first of the folders it is in."""
    return first in DOCS_FOLDERS or PurePosixPath(name).suffix in _DOCS_SUFFIXES or bool(_DOCS_NAME.fullmatch(name))
