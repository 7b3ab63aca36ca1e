"""Reading Go as tokens: enough to tell code from comments, and functions from the rest, without a compiler.

The rules are those of the language's specification (Lexical elements); what the compiler would reject for its meaning
is passed through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["name", "number", "text", "rune", "sign", "end", "comment"]
"""*text*: a string, raw or not. *end*: a semicolon, written or put there by the end of a line."""


class Token(NamedTuple):
    """A token and where it stands."""

    kind: Kind
    text: str
    """As written; `\\n` for a semicolon that a line's end puts there."""
    line: int
    """Of its first character, from 1."""
    start: int
    """Of its first character in the text, from 0, characters."""
    end: int


class ScanError(ValueError):
    """What is no Go."""


_TOKEN = re.compile(
    r"""
    (?P<blank>[\ \t\r\ufeff]+)
    |(?P<line>\n)
    |(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    |(?P<text>`[^`]*`|"(?:\\.|[^"\\\n])*")
    |(?P<rune>'(?:\\.[^'\n]*|[^'\\\n])')
    |(?P<sign><<=|>>=|&\^=|\.\.\.|&&|\|\||<-|\+\+|--|:=|<<|>>|&\^|[-+*/%&|^=!<>]=|[-+*/%&|^<>=!()\[\]{},.:~])
    |(?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_ENDING = frozenset({"break", "continue", "fallthrough", "return", "++", "--", ")", "]", "}"})
"""Keywords and signs after which a line's end is a semicolon; after every name and literal it is one too."""
_KEYWORDS = frozenset({
    "break", "case", "chan", "const", "continue", "default", "defer", "else", "fallthrough", "for", "func", "go",
    "goto", "if", "import", "interface", "map", "package", "range", "return", "select", "struct", "switch",
    "type", "var",
})  # fmt: skip


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a Go file in order, comments among them. Raises `ScanError` on what is no Go."""
    place, line, size = 0, 1, len(text)
    ends = False
    while place < size:
        match = _TOKEN.match(text, place)
        if match is None:
            raise ScanError(f"line {line}: {text[place : place + 20]!r}")
        kind, found = match.lastgroup, match.group()
        if ends and (kind == "line" or (kind == "comment" and "\n" in found)):
            yield Token("end", "\n", line, place, place)
            ends = False
        if kind not in ("blank", "line"):
            yield Token(kind, found, line, place, match.end())  # type: ignore[arg-type] # the pattern's groups
            if kind != "comment":
                ends = _may_end(kind or "", found)
        line += found.count("\n")
        place = match.end()
    if ends:
        yield Token("end", "\n", line, size, size)


def code(text: str) -> list[Token]:
    """Return the tokens of a Go file without its comments. Raises `ScanError`."""
    return [token for token in tokens(text) if token.kind != "comment"]


def _may_end(kind: str, text: str) -> bool:
    if kind in ("number", "text", "rune"):
        return True
    return text in _ENDING or (kind == "name" and text not in _KEYWORDS)


def matching(found: list[Token], opening: int) -> int:
    """Return where the bracket at index `opening` is closed: the index of its partner, or the end of the list."""
    depth = 0
    for index in range(opening, len(found)):
        if found[index].kind == "sign":
            if found[index].text in "([{":
                depth += 1
            elif found[index].text in ")]}":
                depth -= 1
                if depth == 0:
                    return index
    return len(found)


def body_of(found: list[Token], start: int) -> tuple[int, int] | None:
    """Return the indices of the braces around the body of the function whose `func` is at `start`; None: it has none.

    `found` are tokens without comments. Braces of `struct{…}` and `interface{…}` among the results are no body, and
    neither are those of a value whose type ends in a function's, as in `[]func(){…}`.
    """
    if start and found[start - 1].text in ("]", "*", "chan", "<-"):
        return None
    index = start + 1
    while index < len(found):
        token = found[index]
        if token.kind == "end" or (token.kind == "sign" and token.text in (")", "]", "}", ",")):
            return None
        if token.kind == "sign" and token.text in ("(", "["):
            index = matching(found, index)
        elif token.text == "{" and token.kind == "sign":
            closing = matching(found, index)
            if found[index - 1].text not in ("struct", "interface"):
                return index, min(closing, len(found) - 1)
            index = closing
        index += 1
    return None
