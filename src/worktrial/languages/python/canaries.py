"""Tests that must not pass, made for one run: whatever reports them as passed reports what it likes."""

from __future__ import annotations

import random
from dataclasses import dataclass

_WORDS = ("cache", "config", "context", "errors", "format", "groups", "layout", "limits", "names", "order", "paths",
          "parse", "ranges", "release", "rules", "schema", "sorting", "state", "tokens", "values", "wrap")  # fmt: skip


@dataclass(frozen=True)
class Canary:
    """A test module with a test that fails and one whose set-up does."""

    name: str
    """Of the file; it goes beside the first file of the plan."""
    text: str

    def as_json(self) -> dict[str, str]:
        """Return what the launcher needs."""
        return {"name": self.name, "text": self.text}


def make(rng: random.Random) -> Canary:
    """Return a canary with names and values of its own."""
    first, second, third = rng.sample(_WORDS, 3)
    word = "".join(rng.choice("abcdefghijklmnoprstu") for _ in range(rng.randint(4, 9)))
    number = rng.randrange(10_000, 100_000)
    wrong = len(word) + rng.randint(1, 5)
    text = f"""import pytest


@pytest.fixture
def {second}():
    return {{}}["{word}"]


def test_{first}_{number}():
    assert len("{word}") == {wrong}


def test_{third}_{number}({second}):
    assert {second} is not None
"""
    return Canary(f"test_{first}_{number}.py", text)
