"""Having Go's own `testing` tell the witness of each failure at once, before anybody can take it back.

Nothing in it depends on a run, so what is compiled of it is kept.
"""

from __future__ import annotations

from pathlib import Path

_ADDED = Path(__file__).parent / "harness" / "telling.go"
_FAIL = """
func (c *common) Fail() {
	if c.parent != nil {
		c.parent.Fail()
	}
"""
_TELLING = """
func (c *common) Fail() { c.worktrialTell(); c.worktrialFail() }; func (c *common) worktrialFail() {
	if c.parent != nil {
		c.parent.worktrialFail()
	}
"""
"""On as many lines: it is told of the test that fails, and not again of each above it."""
_TEST_TYPES = {"testing.go": "\ntype T struct {\n\tcommon\n", "fuzz.go": "\ntype F struct {\n\tcommon\n"}
"""By file: what they begin with has the address of the whole."""


def overlay(root: Path) -> dict[str, str] | None:
    """Return the files of `testing` that take another's place or come to it, by path, for the toolchain at `root`.

    None where its text is not as it is known to be: then failures cannot be told at once.
    """
    folder = root / "src" / "testing"
    try:
        texts = {name: (folder / name).read_text("utf-8") for name in _TEST_TYPES}
    except (OSError, UnicodeDecodeError):
        return None
    if any(texts[name].count(text) != 1 for name, text in _TEST_TYPES.items()):
        return None
    text = texts["testing.go"]
    if text.count(_FAIL) != 1 or text.count(".failed = ") != 1:
        return None
    return {
        str(folder / "testing.go"): text.replace(_FAIL, _TELLING),
        str(folder / "worktrial.go"): _ADDED.read_text("utf-8"),
    }
