"""Why a landed change is no candidate: every reason, and the cheap tests that find it before anything is run.

Whatever touches real source and real tests passes: running the tests decides better than any rule here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from worktrial.formats.candidate import Role
from worktrial.languages.protocol import Language
from worktrial.mine.changes import Edit, Touched
from worktrial.mine.rewritten import only_rewritten

PROMPT_REASONS = {
    "template": "a command, form or hand-over that a program wrote, and no one's own words",
    "refers_to_solution": "points at the change itself: its commit, branch, pull request or diff",
    "refers_outside": "points at what is not in the repository: pictures, chats, reviews, pages, other folders",
    "refers_to_talk": "leans on what was said or done before it, which is not in the prompt",
    "needs_service": "needs a key, an account or a service that a test has not",
    "not_testable": "asks for nothing that a test could tell: a question, documentation, git or a look",
    "too_vague": "says too little to know what is wanted",
}
"""Every reason for which what is asked is turned down, with what it means."""

REASONS = {
    "docs_only": "nothing but documentation",
    "config_only": "nothing but settings",
    "dependency_bump": "nothing but dependencies and CI",
    "submodule_only": "nothing but submodules",
    "tests_only": "tests without source",
    "no_tests": "source without tests",
    "no_source": "neither source nor tests",
    "other_language": "no file of the language",
    "vendored": "source of others, copied in",
    "generated": "source made by a program",
    "revert": "takes an earlier change back",
    "backport": "copied from a commit that is here too",
    "duplicate_change": "the same change as an older candidate",
    "merge_forward": "carries other work along; its commits count one by one",
    "release": "nothing but a version number",
    "pure_rename": "files moved, nothing else",
    "formatting_only": "the same code, laid out anew",
    "comments_only": "the same code with other comments",
    "too_large": "more than one sentence can ask for",
    "empty_change": "no difference",
    "empty_prompt": "nothing left to ask once the message was cleaned",
    "root_commit": "the first commit has nothing before it",
    "shallow_boundary": "what came before was not cloned",
    "missing_objects": "files or folders were not cloned",
    "undecodable_path": "a file name is not UTF-8",
    "no_session": "no session is known that made it",
    "weak_link": "a session may have made it, but not surely",
    "partly_asked": "the sessions known to have made it wrote little of it",
    "log_lacking": "parts of its session's log are lacking, and none of its lines are in the rest",
    "long_conversation": "more prompts than anybody would give again",
    "no_typed_prompt": "its session has no prompt that a person typed for it",
    **PROMPT_REASONS,
    "needs_secret": "its lines hold a key or password, which is not stored",
}
"""Every reason for a rejection, with what it means."""

MAX_SOURCE_FILES = 50
MAX_SOURCE_LINES = 2000
MIN_LETTERS = 3

_VENDORED = re.compile(
    r"(?:^|/)(?:_?vendor(?:ed)?|third[_-]?party|3rd[_-]?party|_?extern|externals|node_modules|site-packages)/",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\.(?:py|[cm]?[jt]sx?|go|rs|java|kts?|swift|c|cc|cpp|cxx|h|hpp|cs|rb|php|scala|exs?|erl|hs|ml|vue|svelte|zig|lua"
    r"|dart|r|jl|clj|m|mm|pl|sh)$",
    re.IGNORECASE,
)
_GENERATED = re.compile(
    r"_pb2(?:_grpc)?\.pyi?$|\.min\.(?:js|css)$|[._-]generated\.\w+$|(?:^|/)(?:parsetab|lextab)\.py$"
    r"|\.pb(?:\.\w+)?\.go$|(?:^|/)zz_generated[^/]*\.go$"
)
_GENERATED_HEADER = re.compile(
    rb"(?:auto-?)?generated (?:by|from|with|file|code)|do not edit|@generated", re.IGNORECASE
)
_MANIFEST = re.compile(
    r"(?:^|/)(?:[\w.-]*requirements[\w.-]*\.(?:txt|in)|requirements/.*|constraints[\w.-]*\.txt|[\w.-]*\.lock"
    r"|pipfile|pyproject\.toml|setup\.(?:cfg|py)|tox\.ini|noxfile\.py|environment\.ya?ml|\.pre-commit-config\.ya?ml"
    r"|package(?:-lock)?\.json|cargo\.toml|go\.(?:mod|sum)|dockerfile|pylock[\w.]*\.toml|\.readthedocs\.ya?ml)$"
    r"|^\.github/|^\.circleci/|^\.gitlab|^\.travis\.yml$|^appveyor\.yml$|^azure-pipelines|^renovate\.json",
    re.IGNORECASE,
)
_PINNED = re.compile(
    r"requirements|constraints|\.lock$|-lock\.|pre-commit|^\.github/|pipfile|go\.sum|environment\.ya?ml", re.IGNORECASE
)
_REVERT = re.compile(
    r"\s*(?:revert(?:ed|s)?:?\s+[\"'`\u201c]|back out )|[^\n]*\n+this reverts (?:commit|merge|pull request)\b",
    re.IGNORECASE,
)
_PICKED = re.compile(r"\b(?:cherry[- ]picked|backported) from (?:commit )?([0-9a-f]{7,40})\b", re.IGNORECASE)
_VERSION_LINE = re.compile(
    rb"\s*[\"']?(?:__)?(?:version|version_info|release|version_tuple)(?:__)?[\"']?\s*(?::[^=]*)?[=:].*|\s*",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[^\W\d_]")


class Reason(NamedTuple):
    """Why a change was turned down: one of `REASONS`, and what there is to add."""

    name: str
    detail: str = ""


def by_paths(touched: Sequence[Touched], roles: Sequence[Role], ours: tuple[str, ...]) -> Reason | None:
    """Judge a change by the paths it touched; `roles` stand in the same order, `ours` ends the language's files."""
    return next(_of_paths(touched, roles, ours), None)


def _of_paths(touched: Sequence[Touched], roles: Sequence[Role], ours: tuple[str, ...]) -> Iterator[Reason]:
    """Yield what speaks against the paths of a change; only the first is asked for, and only so much is looked at."""
    if not touched:
        yield Reason("empty_change")
    if all(item.submodule for item in touched):
        yield Reason("submodule_only")
    if any(not _utf8(item.path) for item in touched):
        yield Reason("undecodable_path")
    if not any(item.path.endswith(ours) for item in touched) and any(_CODE.search(item.path) for item in touched):
        yield Reason("other_language")
    if "source" not in roles or "test" not in roles:
        yield Reason(_without_one([item.path for item in touched], set(roles)))
    source = [item.path for item, role in zip(touched, roles, strict=True) if role == "source"]
    own = [path for path in source if not _VENDORED.search(path)]
    if not own:
        yield Reason("vendored")
    if all(_GENERATED.search(path) for path in own):
        yield Reason("generated")
    tests = [item.path for item, role in zip(touched, roles, strict=True) if role == "test"]
    if not any(path.endswith(ours) for path in own + tests):
        yield Reason("other_language")
    kept = sum(role == "source" and item.new is not None for item, role in zip(touched, roles, strict=True))
    if kept > MAX_SOURCE_FILES:
        yield Reason("too_large", f"{kept} source files, more than {MAX_SOURCE_FILES}")


def _without_one(paths: Sequence[str], roles: Collection[Role]) -> str:
    """Return the reason for a change that lacks source or tests."""
    if "source" in roles:
        return "no_tests"
    if "test" in roles:
        return "tests_only"
    if set(roles) == {"docs"}:
        return "docs_only"
    if all(_MANIFEST.search(path) for path in paths) and any(_PINNED.search(path) for path in paths):
        return "dependency_bump"
    return "config_only" if set(roles) <= {"config", "docs"} else "no_source"


def by_message(message: str, is_landed: Callable[[str], bool]) -> Reason | None:
    """Judge a change by what its message says it is, where that is beyond doubt."""
    if _REVERT.match(message):
        return Reason("revert")
    for found in _PICKED.finditer(message):
        if is_landed(found[1].lower()):
            return Reason("backport", f"of {found[1]}")
    return None


def by_lines(
    edits: Sequence[Edit], roles: Sequence[Role], text: Callable[[str | None], str | None], language: Language
) -> Reason | None:
    """Judge a change by its lines; `text` gives that of a blob."""
    return next(_of_lines(edits, roles, text, language), None)


def _of_lines(
    edits: Sequence[Edit], roles: Sequence[Role], text: Callable[[str | None], str | None], language: Language
) -> Iterator[Reason]:
    """Yield what speaks against the lines of a change; only the first is asked for."""
    source = [edit for edit, role in zip(edits, roles, strict=True) if role == "source" and not _by_program(edit)]
    if not source:
        yield Reason("generated")
    if len(source) > MAX_SOURCE_FILES:
        yield Reason("too_large", f"{len(source)} source files, more than {MAX_SOURCE_FILES}")
    lines = [line for edit in source for line in (*edit.removed, *edit.added)]
    if len(lines) > MAX_SOURCE_LINES:
        yield Reason("too_large", f"{len(lines)} changed source lines, more than {MAX_SOURCE_LINES}")
    if lines and all(_VERSION_LINE.fullmatch(line) for line in lines):
        yield Reason("release")
    if "config" in roles:
        # New settings and dependencies can change what untouched code does.
        return
    if all(edit.touched.status == "R" and not edit.removed and not edit.added for edit in source):
        yield Reason("pure_rename")
    if how := only_rewritten(source, text, language):
        yield Reason(how)


def by_prompt(prompt: str) -> Reason | None:
    """Judge a change by what there is left to ask."""
    return None if len(_LETTER.findall(prompt)) > MIN_LETTERS else Reason("empty_prompt")


def _by_program(edit: Edit) -> bool:
    """Tell a vendored or generated file, by its path or by what a new one says at its top."""
    path = edit.touched.path
    if _VENDORED.search(path) or _GENERATED.search(path):
        return True
    return edit.touched.status == "A" and any(_GENERATED_HEADER.search(line) for line in edit.added[:5])


def _utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
