"""Twins of Go test files: what a test expects is changed, so that every solution of the task must fail it.

A change is sure by logic as far as syntax tells: a condition under which the test fails becomes true, a value that is
compared becomes another, or the test fails at its end. Only what is certain to be run is changed: not what stands after
a possible return or skip, or under another condition. The validated solution shows whether each change holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from worktrial.languages.golang.marking import Body, bodies, edited, own
from worktrial.languages.golang.scan import ScanError, Token, body_of, code, matching, tokens
from worktrial.languages.golang.twinning import Change, of_assertion, of_condition, of_tables
from worktrial.languages.protocol import TwinFile

_FAILING = frozenset({"Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow"})
_LEAVING = frozenset({"return", "goto", "Skip", "Skipf", "SkipNow", "Goexit"})
_OUTPUT = re.compile(r"//\s*(?:unordered\s+)?output:", re.IGNORECASE)


@dataclass(frozen=True)
class _Source:
    """A file and its tokens, comments left out."""

    text: str
    found: list[Token]


def twin_file(text: str, tests: Collection[str], seed: int) -> TwinFile | None:
    """Return the twin of a test file for `tests` (ids), or None when nothing in it can be changed.

    Of every test one place is changed; which one, `seed` tells.
    """
    wanted: dict[str, list[str]] = {}
    for test in tests:
        wanted.setdefault(test.partition("::")[2].partition("/")[0], []).append(test)
    changes: dict[str, Change] = {}
    try:
        source = _Source(text, code(text))
        for body in bodies(source.found, wanted):
            name = source.found[body.name].text
            if change := _one_of(list(_changes(source, body, f"{seed}:{name}")), name, seed):
                changes[name] = change
    except ScanError:
        return None
    if not changes:
        return None
    return TwinFile(
        text=edited(text, [(change.start, change.end, change.text) for change in changes.values()]),
        tests={test: False for name in changes for test in wanted[name]},
        changes=tuple(f"{name}: {change.what}" for name, change in changes.items()),
    )


def _one_of(changes: list[Change], name: str, seed: int) -> Change | None:
    """Choose one by its rank in an order that depends on the test's name alone: so seeds differ in their choice."""
    least = min((change.rank for change in changes), default=0)
    among = {change.start: change for change in changes if change.rank == least}
    if not among:
        return None
    ranked = sorted(among, key=lambda start: hashlib.sha256(f"{name}:{start}".encode()).digest())
    return among[ranked[seed % len(ranked)]]


def _changes(source: _Source, body: Body, salt: str) -> Iterator[Change]:
    found = source.found
    first, last = body.braces
    name = found[body.name].text
    if name.startswith("Example"):
        yield from _other_output(source, body)
        return
    parameter = found[body.parameters[0] + 1].text if body.parameters[1] > body.parameters[0] + 1 else "*"
    if parameter in ("*", "_"):
        return
    yield from _in_block(source, first + 1, last, parameter, salt)
    yield from of_tables(found, first, last, salt)
    if not any(found[index].text in _LEAVING for index in own(found, first + 1, last)):
        at = found[last].start
        yield Change(at, at, f';{parameter}.Error("{name}")', f"line {found[last].line}: fails at its end", 2)


def _in_block(source: _Source, start: int, end: int, parameter: str, salt: str) -> Iterator[Change]:
    """Yield the changes of a block's own statements, up to the first that may leave it."""
    found = source.found
    for first, last in _statements(found, start, end):
        if found[first].text == "if":
            if change := _of_if(source, first, last, parameter, salt):
                yield change
        elif change := of_assertion(found, first, salt):
            yield change
        elif [token.text for token in found[first : first + 4]] == [parameter, ".", "Run", "("]:
            for index in range(first + 4, last):
                if found[index].text == "func" and (inner := body_of(found, index)) is not None:
                    yield from _in_block(source, inner[0] + 1, inner[1], found[index + 2].text, salt)
                    break
        if any(found[index].text in _LEAVING for index in own(found, first, last)):
            return


def _of_if(source: _Source, first: int, last: int, parameter: str, salt: str) -> Change | None:
    """Return the change of an `if` that does nothing but fail the test."""
    found = source.found
    opening = _block_of(found, first + 1, last)
    if opening is None:
        return None
    closing = matching(found, opening)
    fails = any(
        found[index].text == parameter and found[index + 1].text == "." and found[index + 2].text in _FAILING
        for index, _ in _statements(found, opening + 1, closing)
        if index + 2 < closing
    )
    if not fails or closing + 1 < last:  # there is an `else`
        return None
    parts = [index for index in range(first + 1, opening) if found[index].kind == "end"]
    return of_condition(source.text, found, parts[-1] + 1 if parts else first + 1, opening, salt)


def _block_of(found: list[Token], start: int, end: int) -> int | None:
    """Return where the block after the header that begins at `start` opens."""
    index = start
    while index < end:
        token = found[index]
        if token.kind == "name" and token.text == "func" and (inner := body_of(found, index)) is not None:
            index = inner[1]
        elif token.kind == "sign" and token.text in "([":
            index = matching(found, index)
        elif token.kind == "sign" and token.text == "{":
            if found[index - 1].text not in ("struct", "interface"):
                return index
            index = matching(found, index)
        index += 1
    return None


def _statements(found: list[Token], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where each statement of a block begins and ends, brackets and what is in them taken whole."""
    first = index = start
    while index < end:
        token = found[index]
        if token.kind == "end" and not _is_in_header(found, first, index):
            if index > first:
                yield first, index
            first = index + 1
        elif token.kind == "sign" and token.text in "([{":
            index = matching(found, index)
        index += 1
    if first < min(index, end):
        yield first, end


def _is_in_header(found: list[Token], first: int, index: int) -> bool:
    """Tell whether a semicolon stands in the header of an `if`, `for` or `switch`, before its block."""
    return found[first].text in ("if", "for", "switch") and _block_of(found, first + 1, index) is None


def _other_output(source: _Source, body: Body) -> Iterator[Change]:
    """Yield the change of what an example is said to print."""
    first, last = source.found[body.braces[0]], source.found[body.braces[1]]
    comments = [
        token
        for token in tokens(source.text)
        if token.kind == "comment" and first.end <= token.start < last.start and token.text.startswith("//")
    ]
    if any(_OUTPUT.match(comment.text) for comment in comments):
        at = comments[-1]
        yield Change(at.end, at.end, " and more", f"line {at.line}: another output", 0)
