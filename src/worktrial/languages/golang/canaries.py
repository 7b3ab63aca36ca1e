"""Tests that must not pass, made for one run: what reports them as passed reports what it likes."""

from __future__ import annotations

import random
from dataclasses import dataclass

_WORDS = ("Cache", "Config", "Context", "Errors", "Format", "Groups", "Layout", "Limits", "Names", "Order", "Paths",
          "Parse", "Ranges", "Release", "Rules", "Schema", "Sorting", "State", "Tokens", "Values", "Wrap")  # fmt: skip


@dataclass(frozen=True)
class Canary:
    """A test file with a test that fails and one of which a subtest does."""

    name: str
    """Of the file; one goes into every package that is run."""
    body: str
    """The file without its package clause."""
    tests: tuple[str, str]

    def text(self, package: str) -> str:
        """Return the file for a package of that name."""
        return f"package {package}\n{self.body}"


def make(rng: random.Random) -> Canary:
    """Return a canary with names and values of its own."""
    first, second, third = rng.sample(_WORDS, 3)
    word = "".join(rng.choice("abcdefghijklmnoprstu") for _ in range(rng.randint(4, 9)))
    number = rng.randrange(10_000, 100_000)
    wrong = len(word) + rng.randint(1, 5)
    tests = (f"Test{first}{second}{number}", f"Test{third}{second}{number}")
    body = f"""
import "testing"

func {tests[0]}(t *testing.T) {{
	if got := len("{word}"); got != {wrong} {{
		t.Errorf("got %d, want {wrong}", got)
	}}
}}

func {tests[1]}(t *testing.T) {{
	t.Run("{third.lower()}", func(t *testing.T) {{
		if got := "{word}"[{rng.randint(0, 3)}:]; got == "{word}"[1:]+"{second.lower()}" || got != "" {{
			t.Fatalf("got %q", got)
		}}
	}})
}}
"""
    return Canary(f"{first.lower()}_{number}_test.go", body, tests)
