"""Marks and twins: what is put into test files stands where it should, changes no line's number, and stays Go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.languages.golang import go

from worktrial.languages.golang import marking, witness
from worktrial.languages.golang.scan import ScanError, code
from worktrial.languages.golang.syntax import test_functions as functions_of
from worktrial.languages.golang.twins import twin_file

WITNESS = witness.Witness("0name", "w", bytes(16))
STATEMENTS = st.sampled_from(
    [
        "x := 1; _ = x", "// return", "/* } */", 's := "return }"; _ = s', "r := '}'; _ = r",
        "raw := `\n}\nreturn`; _ = raw",
        "if 1 > 2 { return }", "f := func() int { return 3 }; f()", "go func() { return }()",
        "for range 2 { continue }",
        "switch { case true: return\ndefault:\n}", "var g func() error; _ = g", "_ = map[string]func(){}",
        "t.Run(`a`, func(t *testing.T) { return })", "{ }", "var e interface{ M() }; _ = e", "L: for { break L }",
    ]
)  # fmt: skip
"""Statements of a test, with their own returns at the places where one may be mistaken for the test's."""
RETURNS = ("if 1 > 2 { return }", "switch { case true: return\ndefault:\n}")
PARAMETERS = st.sampled_from(["t *testing.T", "_ *testing.T", "*testing.T", "t\t*testing.T"])


@st.composite
def sources(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """Draw a test file and the statements of each of its tests."""
    bodies = draw(st.lists(st.lists(STATEMENTS, max_size=5), min_size=1, max_size=3))
    parts = ["package p // of tests\n", 'import "testing"\n']
    for number, body in enumerate(bodies):
        needs_t = any("t.Run" in line for line in body)
        parameter = "t *testing.T" if needs_t else draw(PARAMETERS)
        # What is declared twice in a block is no Go.
        inside = "\n".join(line if line.startswith("//") else f"{{ {line}\n}}" for line in body)
        parts.append(f"func Test{number}({parameter}) {{ {inside}\n}}\n")
    return "\n".join(parts), bodies


@given(sources())
def test_every_return_of_a_test_and_its_end_are_marked_and_nothing_else_is(drawn: tuple[str, list[list[str]]]) -> None:
    text, bodies = drawn
    names = functions_of(text)
    assert len(names) == len(bodies)
    marked = marking.mark(text, WITNESS, {name: number for number, name in enumerate(names)})
    for number, body in enumerate(bodies):
        returns = sum(line in RETURNS for line in body)
        assert marked.count(f', {number}, "Test{number}");') >= 1
        assert marked.count(f'{number}, "Test{number}")') == returns + 2
    assert marked.count("\n") == text.count("\n")
    unmarked = [token.text for token in code(marked) if token.text not in (";", "\n")]
    assert len(unmarked) > len([token for token in code(text) if token.text not in (";", "\n")])


@given(st.text(max_size=200), st.integers(0, 3))
def test_any_text_is_marked_or_refused(text: str, seed: int) -> None:
    try:
        marking.mark(text, WITNESS, {"TestA": 0})
    except ScanError:
        assert twin_file(text, ["x_test.go::TestA"], seed) is None


@given(sources(), st.integers(0, 3))
def test_a_twin_is_the_same_every_time_and_differs_from_its_original(
    drawn: tuple[str, list[list[str]]], seed: int
) -> None:
    ids = [f"x_test.go::{name}" for name in functions_of(drawn[0])]
    twin = twin_file(drawn[0], ids, seed)
    assert twin == twin_file(drawn[0], ids, seed)
    if twin is not None:
        assert twin.text != drawn[0]
        assert set(twin.tests) <= set(ids)
        assert len(twin.changes) == len(twin.tests)


TEST = """package p

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestX(t *testing.T) {
%s
}
"""


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("\tif got := f(); got != 1 {\n\t\tt.Error(got)\n\t}", 'if got := f(); got != 2 {'),
        ("\tif 1 != f() {\n\t\tt.Error(1)\n\t}", "if 2 != f() {"),
        ("\tif f() != true {\n\t\tt.Fatal(1)\n\t}", "if f() != false {"),
        ("\tif err := f(); err != nil {\n\t\tt.Fatal(err)\n\t}", "if err := f(); !(err != nil) {"),
        ("\tif a != 1 && b {\n\t\tt.Fatal(1)\n\t}", "if !(a != 1 && b) {"),
        ("\tif a != 1 {\n\t\tlog(1)\n\t}", ';t.Error("TestX")}'),
        ("\tif a == 1 {\n\t\tt.Error(1)\n\t} else {\n\t\tb()\n\t}", ';t.Error("TestX")}'),
        ("\tassert.True(t, f())", "assert.False(t, f())"),
        ("\tassert.NoErrorf(t, f(), `x`)", "assert.Errorf(t, f(), `x`)"),
        ("\tt.Run(`a`, func(s *testing.T) {\n\t\tif f() != 0 {\n\t\t\ts.Error(1)\n\t\t}\n\t})", "if f() != 1 {"),
    ],
)  # fmt: skip
def test_the_change_makes_the_test_fail(body: str, expected: str) -> None:
    twin = twin_file(TEST % body, ["x_test.go::TestX"], 0)
    assert twin is not None
    assert expected in twin.text, twin.text


@pytest.mark.parametrize("body", ["\treturn", "\tif short {\n\t\tt.Skip()\n\t}\n\tif f() != 1 {\n\t\tt.Error(1)\n\t}"])
def test_what_may_not_be_reached_is_not_changed(body: str) -> None:
    assert twin_file(TEST % body, ["x_test.go::TestX"], 0) is None


def test_what_tables_expect_and_examples_print_is_changed() -> None:
    body = '\tfor _, tt := range []struct{ in string; want []int }{{in: "a", want: []int{1, 9}}} {\n\t\tf(t, tt)\n\t}'
    twin = twin_file(TEST % body, ["x_test.go::TestX"], 0)
    assert twin is not None
    assert "want: []int{2, 9}" in twin.text
    example = 'package p\n\nimport "fmt"\n\nfunc ExampleF() {\n\tfmt.Println(1)\n\t// Output:\n\t// 1\n}\n'
    twin = twin_file(example, ["x_test.go::ExampleF"], 0)
    assert twin is not None
    assert "\t// 1 and more\n" in twin.text


@go.needs_go
@pytest.mark.parametrize("package", ["strings", "encoding/json", "net/url", "go/parser", "testing", "text/template"])
def test_go_s_own_tests_stay_go_when_they_are_marked_or_changed(package: str, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((go.root() / "src" / package).glob("*_test.go"))):
        text = path.read_text("utf-8")
        names = functions_of(text)
        marked = marking.mark(text, WITNESS, {name: at for at, name in enumerate(names)}, one_by_one=True)
        assert marked.count("\n") == text.count("\n")
        (tmp_path / f"{number}.go").write_text(marked)
        if twin := twin_file(text, [f"x_test.go::{name}" for name in names], 0):
            (tmp_path / f"{number}_twin.go").write_text(twin.text)
    done = subprocess.run([go.root() / "bin/gofmt", "-e", "-l", tmp_path], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
