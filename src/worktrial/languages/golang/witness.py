"""Reading what the witness in a test binary said: numbered, signed lines, and what cannot be its own."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).parent / "harness" / "witness.go"
_MASK = 0xFFFFFFFFFFFFFFFF
_KINDS = {"i": 1, "u": 1, "b": 2, "d": 2, "e": 2, "f": 2, "x": 2, "o": 2, "r": 3, "l": 5}
"""Number of words of each kind of line, its letter among them."""


@dataclass(frozen=True)
class Witness:
    """The name of the witness and the key it signs with, both made for one run."""

    package: str
    """Its import path. It sorts before all others, so that it is set up before them."""
    alias: str
    """What test files call it."""
    key: bytes
    """16 bytes."""

    def order(self, stop_after_s: float | None) -> bytes:
        """Return what a test binary is given on standard input; `stop_after_s` None lets tests begin at any time."""
        left_ms = 0 if stop_after_s is None else max(1, round(stop_after_s * 1000))
        words = (self.key[:8][::-1].hex(), self.key[8:][::-1].hex())
        return f"{''.join(words)} {left_ms}\n".encode()


def make() -> Witness:
    """Return a witness for one run."""
    nonce = secrets.token_hex(5)
    return Witness(package=f"0{nonce}", alias=f"w{nonce}", key=secrets.token_bytes(16))


@dataclass
class Said:
    """What a test process said, by the tests' numbers."""

    begun: list[int] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    """Those whose body came to its end."""
    failed: set[int] = field(default_factory=set)
    """Those that had failed when their body came to its end."""
    told: set[int] = field(default_factory=set)
    """Those of which a failure was told the moment it happened, and before their result."""
    strayed: bool = False
    """Whether something failed that belongs to no test that had begun."""
    results: dict[int, str] = field(default_factory=dict)
    """`p` passed, `f` failed, `s` skipped."""
    refused: set[int] = field(default_factory=set)
    """Those that did not begin any more because the time was over."""
    strangers: set[int] = field(default_factory=set)
    """Those in whose name somebody else spoke."""
    lines: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    """File, first and last line of the blocks that a test ran."""
    last: int | None = None
    """The test of which a result was the last thing said."""
    present: bool = False
    forged: str = ""
    """What in it is not the witness's, for people."""

    def hear(self, words: list[str]) -> bool:
        """Take in a line; tell whether it is one that the witness writes."""
        kind = words[0] if words else ""
        if _KINDS.get(kind) != len(words):
            return False
        numbers = [int(word) for word in words[1:] if word.isascii() and word.isdigit()]
        if len(numbers) != len(words) - (2 if kind == "r" else 1):
            return False
        if kind == "u":
            self.strayed = True
        elif kind == "d":
            if numbers[0] not in self.results:  # after that, what fails is the runner's to answer: it may be a panic
                self.told.add(numbers[0])
        else:
            self.last = numbers[0] if kind == "r" else None
            return self._hear_of_tests(kind, words, numbers)
        return True

    def _hear_of_tests(self, kind: str, words: list[str], numbers: list[int]) -> bool:
        if kind == "i":
            self.present = True
        elif kind == "r":
            if words[2] not in ("p", "f", "s"):
                return False
            # Two different answers are none.
            same = self.results.setdefault(numbers[0], words[2]) == words[2]
            self.results[numbers[0]] = words[2] if same else "f"
        elif kind == "l":
            self.lines.setdefault(numbers[0], []).append((numbers[1], numbers[2], numbers[3]))
        elif kind == "b":
            self.begun.append(numbers[0])
        else:
            {"e": self.ended, "f": self.failed, "x": self.strangers, "o": self.refused}[kind].add(numbers[0])
        return True

    def running(self) -> list[int]:
        """Return the tests that began and of which no result came."""
        return [number for number in dict.fromkeys(self.begun) if number not in self.results]


def read(report: bytes, key: bytes, *, whole: bool = True) -> Said:
    """Return what a report says, up to the first line that the witness did not write.

    `whole` tells that the process came to an end of its own, so that a line without an end was not cut off by us.
    """
    said = Said()
    lines = report.split(b"\n")
    rest = lines.pop()
    for number, line in enumerate(lines):
        words = _signed(line, number, key)
        if words is None or not said.hear(words):
            said.forged = f"line {number + 1} of the report is not the witness's"
            return said
    if rest and whole:
        said.forged = "the report ends in a line that is not the witness's"
    return said


def _signed(line: bytes, number: int, key: bytes) -> list[str] | None:
    signature, _, content = line.partition(b" ")
    at, _, text = content.partition(b" ")
    if at != b"%d" % number or not hmac.compare_digest(signature, b"%016x" % siphash(key, content)):
        return None
    return text.decode("utf-8", "replace").split(" ")


def siphash(key: bytes, data: bytes) -> int:
    """Return SipHash-2-4 of `data` under a key of 16 bytes (Aumasson and Bernstein, 2012)."""
    first, second = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    state = (
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    )
    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        a, b, c, d = state
        a, b, c, d = _rounds((a, b, c, d ^ word), 2)
        state = (a ^ word, b, c, d)
    a, b, c, d = state
    a, b, c, d = _rounds((a, b, c ^ 0xFF, d), 4)
    return a ^ b ^ c ^ d


def _rounds(state: tuple[int, int, int, int], count: int) -> tuple[int, int, int, int]:
    a, b, c, d = state
    for _ in range(count):
        a = (a + b) & _MASK
        b = _turned(b, 13) ^ a
        a = _turned(a, 32)
        c = (c + d) & _MASK
        d = _turned(d, 16) ^ c
        a = (a + d) & _MASK
        d = _turned(d, 21) ^ a
        c = (c + b) & _MASK
        b = _turned(b, 17) ^ c
        c = _turned(c, 32)
    return a, b, c, d


def _turned(word: int, by: int) -> int:
    return ((word << by) | (word >> (64 - by))) & _MASK
