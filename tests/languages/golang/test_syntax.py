"""What the syntax of Go files tells, held against what Go's own tools say of its standard library."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.languages.golang import go

from worktrial.languages.golang import syntax
from worktrial.languages.golang.scan import ScanError, tokens
from worktrial.languages.golang.syntax import runnable_lines, same_code

_PACKAGES = ("strconv", "net/http", "go/types", "text/template", "encoding/json", "reflect")
_LIVE = """package shop

import "fmt"

// Price is what one pays.
type Price struct{ Net, Tax int }

var all = map[string]func() int{
	"one": func() int {
		return 1
	},
}

func (p Price) Total(discount func(int) int) (sum struct{ Value int }, err error) {
	sum.Value = discount(p.Net) +
		p.Tax // both
	if sum.Value < 0 {
		return sum, fmt.Errorf("below zero: %d", sum.Value)
	} else {
		sum.Value++
	}

	return
}
"""


def library(limit: int = 40) -> list[Path]:
    """Return files of the standard library, tests among them."""
    return [path for name in _PACKAGES for path in sorted((go.root() / "src" / name).glob("*.go"))[:limit]]


@go.needs_go
def test_tokens_are_those_of_gos_own_scanner(tmp_path: Path) -> None:
    """Each file of the standard library has the same tokens, at the same lines, as `go/scanner` finds."""
    program = tmp_path / "scanned.go"
    program.write_text((Path(__file__).parent / "scanned.go.txt").read_text())
    files = library()
    go.run("build", "-o", "scanned", str(program), folder=tmp_path)
    asked = [str(tmp_path / "scanned"), *map(str, files)]
    printed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    for path, line in zip(files, printed.splitlines(), strict=True):
        ours = [
            [token.line, token.kind == "comment", token.kind == "end", token.text.replace("\r", "")]
            for token in tokens(path.read_text())
        ]
        theirs = [[number, comment, end, text] for number, comment, end, text in json.loads(line)]
        assert ours == theirs, path


@go.needs_go
def test_lines_that_can_be_run_are_those_that_coverage_counts(tmp_path: Path) -> None:
    """Each runnable line is in a block that `go tool cover` counts, and each such block has one."""
    for path in [path for path in library(3) if not path.name.endswith("_test.go")]:
        text = path.read_text()
        found = set(runnable_lines(str(path), text, range(1, text.count("\n") + 2)))
        printed = go.run("tool", "cover", "-mode=set", "-var=counted", str(path), folder=tmp_path)
        blocks = [
            (int(first), int(last))
            for first, last in re.findall(r"^\t\t(\d+), (\d+), 0x\w+, // \[\d+\]$", printed, re.MULTILINE)
        ]
        counted = {number for first, last in blocks for number in range(first, last + 1)}
        assert found <= counted, (path, sorted(found - counted)[:5])
        # A body without a statement is a block too, and a block's own line may hold nothing but its bracket.
        empty = [block for block in blocks if not any(block[0] <= number <= block[1] for number in found)]
        assert len(empty) <= max(2, len(blocks) // 20), (path, empty[:5])


@go.needs_go
def test_a_file_without_its_comments_is_the_same_code(tmp_path: Path) -> None:
    """Comments taken out and lines laid out anew by gofmt change nothing; a word does."""
    text = (go.root() / "src/strconv/quote.go").read_text()
    bare = re.sub(r"^// [^\n]*\n", "\n", text, flags=re.MULTILINE)
    messy = bare.replace("\t", "   ").replace(") {\n", ") {\n\n", 30)
    assert bare != text
    assert same_code("quote.go", text, bare)
    assert same_code("quote.go", text, messy)
    assert not same_code("quote.go", text, text.replace("lowerhex", "upperhex", 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("//go:build linux\n\npackage a\n", "//go:build darwin\n\npackage a\n"),
        ("package a\n\n//go:embed a.txt\nvar s string\n", "package a\n\n//go:embed b.txt\nvar s string\n"),
        ('package a\n\n// int f() { return 1; }\nimport "C"\n', 'package a\n\n// int f() { return 2; }\nimport "C"\n'),
        ("package a\n\nfunc f() int {\n\treturn\n1\n}\n", "package a\n\nfunc f() int {\n\treturn 1\n}\n"),
        (
            "package a\n\nfunc ExampleF() {\n\tF()\n\t// Output: 1\n}\n",
            "package a\n\nfunc ExampleF() {\n\tF()\n\t// Output: 2\n}\n",
        ),
        ("package a\n\nvar s = `//a`\n", "package a\n\nvar s = `//b`\n"),
        ("package a\n\nvar s = '\x00", "package a\n\nvar s = '\x00"),
    ],
)
def test_what_tools_act_on_is_code(before: str, after: str) -> None:
    """Directives, the C before its import, the output of examples and line ends that end a statement are code."""
    assert not same_code("a_test.go", before, after)


def test_only_what_stands_in_bodies_of_functions_is_run() -> None:
    """Types, signatures, closing brackets, blank lines and comments run nothing; a function in a table does."""
    assert runnable_lines("shop.go", _LIVE, range(1, 40)) == (10, 15, 16, 17, 18, 20, 23)
    assert runnable_lines("shop.go", _LIVE, [15, 19]) == (15,)
    assert runnable_lines("shop_test.go", _LIVE, range(1, 40)) == ()


def test_tests_are_told_by_name_and_signature() -> None:
    """As `go test` does: a capital after the word, one parameter of its type, and output for examples."""
    text = """package shop_test

import "testing"

func TestTotal(t *testing.T) {}
func Test(t *testing.T) {}
func Testing(t *testing.T) {}
func TestMain(m *testing.M) {}
func TestTwo(t *testing.T, n int) {}
func (s suite) TestMethod(t *testing.T) {}
func BenchmarkTotal(b *testing.B) {}
func FuzzTotal(f *testing.F) {}

func ExamplePrice() {
	// Output: 1
}

func ExampleSilent() {
	// nothing is compared
}

func helper() {
	run(func TestInner() {})
}
"""
    assert syntax.test_functions(text) == {"TestTotal": 5, "Test": 6, "FuzzTotal": 12, "ExamplePrice": 14}


@given(st.text(alphabet="func (){}[]\"'`/*\\\n\t;=:.,abcE0_世", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """A text is no Go at worst; what is read covers it, in order, but for blanks."""
    runnable_lines("a.go", text, range(20))
    syntax.test_functions(text)
    same_code("a.go", text, text)
    try:
        found = list(tokens(text))
    except ScanError:
        return
    place = 0
    for token in found:
        assert token.start >= place
        assert not text[place : token.start].strip("\ufeff \t\r\n")
        place = token.end
    assert not text[place:].strip("\ufeff \t\r\n")
