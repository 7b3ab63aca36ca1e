"""What the syntax of a Go file tells: which lines can be run, whether code changed, which tests there are."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from worktrial.languages.golang.scan import ScanError, Token, body_of, code, matching, tokens

_IMPORT = re.compile(r"""^[ \t]*(?:import[ \t]+)?(?:[\w.]+[ \t]+)?["`]([\w./~-]+)["`][ \t]*(?://.*)?$""", re.MULTILINE)
_DIRECTIVE = re.compile(r"//(?:go:|export |line |extern |nolint\b)|// ?\+build\b|/\*line ")
"""Comments that compilers and their tools act on."""
_OUTPUT = re.compile(r"^\s*//\s*(?:unordered\s+)?output:", re.IGNORECASE | re.MULTILINE)
"""A comment of an example that says what it prints: a test compares it."""
_TEST_NAME = re.compile(r"(Test|Example|Fuzz)(?:$|[^a-z].*)", re.DOTALL)
_NO_STATEMENT = frozenset({"{", "}", "(", ")", "[", "]", ",", ":", ";", "\n", "else"})
"""What a line may consist of without anything being run on it."""


def same_code(path: str, before: str, after: str) -> bool:
    """Tell whether two versions of a Go file differ in nothing but comments and layout; False for what is not Go.

    Comments that tools act on are code: directives, the C above `import "C"`, the output of examples.
    """
    if not path.endswith(".go"):
        return False
    try:
        return _meaning(before) == _meaning(after)
    except ScanError:
        return False


def _meaning(text: str) -> list[tuple[str, str]]:
    acted_on = bool(_OUTPUT.search(text)) or 'import "C"' in text
    return [
        (token.kind, "" if token.kind == "end" else token.text)
        for token in tokens(text)
        if token.kind != "comment" or acted_on or _DIRECTIVE.match(token.text)
    ]


def imported(path: str, text: str, source: Collection[str]) -> int:
    """Return how many packages of `source` a test file is in or imports; see `Language.imported`.

    A package is a folder: an import names it by the end of its path.
    """
    reached = {"/" + name for name in _IMPORT.findall(text)}
    own = str(PurePosixPath(path).parent)
    packages = {str(PurePosixPath(one).parent) for one in source if one.endswith(".go")}
    return sum(own == one or any(name.endswith("/" + one) for name in reached) for one in packages)


def runnable_lines(path: str, text: str, lines: Collection[int]) -> tuple[int, ...]:
    """Return those of `lines` with code in the body of a function; see `Language.runnable_lines`.

    A list of a `case` goes by its last line.
    What stands outside of functions is run, if at all, when a program begins: that tells nothing of a test, and Go's
    coverage does not count it.
    """
    if not path.endswith(".go") or path.endswith("_test.go"):
        return ()
    wanted = set(lines)
    try:
        found = code(text)
    except ScanError:
        return ()
    runnable: set[int] = set()
    index = 0
    while index < len(found):
        body = body_of(found, index) if found[index].text == "func" and found[index].kind == "name" else None
        if body is None:
            index += 1
            continue
        counted_as = _cases(found, body)
        runnable |= {
            counted_as.get(number, number)
            for token in found[body[0] + 1 : body[1]]
            if token.kind != "end" and token.text not in _NO_STATEMENT
            for number in range(token.line, token.line + token.text.count("\n") + 1)
            if number in wanted
        }
        index = body[1] + 1
    return tuple(sorted(runnable))


def _cases(found: list[Token], body: tuple[int, int]) -> dict[int, int]:
    """Return, for lines of the list of values of a `case` over several, the line of its colon: where it is counted."""
    lines: dict[int, int] = {}
    for index in range(*body):
        if found[index].text != "case" or found[index].kind != "name":
            continue
        end = index
        while end < body[1] and not (found[end].text == ":" and found[end].kind == "sign"):
            end = matching(found, end) if found[end].kind == "sign" and found[end].text in ("(", "[", "{") else end
            end += 1
        last = found[min(end, body[1])].line
        lines |= dict.fromkeys(range(found[index].line, last), last)
    return lines


def test_functions(text: str) -> dict[str, int]:
    """Return the tests of a test file with the lines they begin on, in order: none for what is not Go.

    Tests, fuzz tests (run on their seeds) and examples that say what they print. `TestMain` is none: it runs others.
    """
    try:
        found = code(text)
    except ScanError:
        return {}
    tests: dict[str, int] = {}
    index = 0
    while index < len(found):
        token = found[index]
        if token.kind == "name" and token.text == "func":
            body = body_of(found, index)
            name = found[index + 1] if index + 1 < len(found) else token
            if body is not None and name.kind == "name" and _is_test(found, index + 1, text, body):
                tests[name.text] = token.line
            index = body[1] if body is not None else index
        elif token.kind == "sign" and token.text in "({":
            index = matching(found, index)
        index += 1
    return tests


def _is_test(found: list[Token], index: int, text: str, body: tuple[int, int]) -> bool:
    """Whether the function named at `index` is one that `go test` runs by itself."""
    match = _TEST_NAME.fullmatch(found[index].text)
    if match is None or found[index + 1].text != "(":
        return False
    parameters = found[index + 2 : matching(found, index + 1)]
    if match[1] == "Example":
        return not parameters and bool(_OUTPUT.search(text[found[body[0]].end : found[body[1]].start]))
    wanted = "T" if match[1] == "Test" else "F"
    shape = [token.text for token in parameters if token.kind == "sign"]
    return bool(parameters) and "," not in shape and "*" in shape and parameters[-1].text == wanted
