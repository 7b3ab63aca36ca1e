"""A small task in Go, and what every attack on it needs."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.workshop import Repository, Shell

MODULE = "module example.com/shop\n\ngo 1.24\n"
"""That of all tests of Go: one environment serves them."""
BASE = """package ledger

func Total(amounts []int) int { return 0 }
"""
SOLUTION = """package ledger

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type Money struct {
	Cents    int
	Currency string
}

type Log interface{ Logf(format string, args ...any) }

func Total(amounts []int) int {
	sum := 0
	for _, amount := range amounts {
		sum += amount
	}
	return sum
}

func Parse(text string) (Money, error) {
	amount, currency, found := strings.Cut(text, " ")
	value, err := strconv.Atoi(amount)
	if !found || err != nil {
		return Money{}, errors.New("no amount in " + text)
	}
	return Money{value * 100, currency}, nil
}

func Audit(log Log, cents int) int {
	log.Logf("auditing %d", cents)
	return cents * 2
}

func Label(money Money) string { return fmt.Sprintf("%s %d", money.Currency, money.Cents) }
"""
STUB = """package ledger

type Money struct {
	Cents    int
	Currency string
}

type Log interface{ Logf(format string, args ...any) }

func Total(amounts []int) int { return 0 }
func Parse(text string) (Money, error) { return Money{}, nil }
func Audit(log Log, cents int) int { return 0 }
func Label(money Money) string { return "" }
"""
"""All the names that the tests want, and none of the work."""
OLD_TESTS = """package ledger

import "testing"

func TestTotalOfNothing(t *testing.T) {
	if Total(nil) != 0 {
		t.Error("not nothing")
	}
}
"""
TESTS = """package ledger

import "testing"

func TestTotalOfNothing(t *testing.T) {
	if Total(nil) != 0 {
		t.Error("not nothing")
	}
}

func TestTotal(t *testing.T) {
	t.Parallel()
	if got := Total([]int{1, 2}); got != 3 {
		t.Errorf("got %d", got)
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
	}{
		{text: "1 EUR", want: 100},
		{text: "20 EUR", want: 2000},
	} {
		t.Run(tt.text, func(t *testing.T) {
			money, err := Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if money.Cents != tt.want {
				t.Errorf("got %d, want %d", money.Cents, tt.want)
			}
		})
	}
}

func TestNoAmount(t *testing.T) {
	if _, err := Parse("EUR"); err == nil || err.Error() != "no amount in EUR" {
		t.Errorf("got %v", err)
	}
}

func TestAudit(t *testing.T) {
	if got := Audit(t, 21); got != 42 {
		t.Errorf("got %d", got)
	}
}

func TestAuditInPart(t *testing.T) {
	t.Run("part", func(t *testing.T) {
		if got := Audit(t, 4); got != 8 {
			t.Errorf("got %d", got)
		}
	})
}
"""
OUTSIDE = """package ledger_test

import (
	"testing"

	"example.com/shop"
)

func TestLabel(t *testing.T) {
	if got := ledger.Label(ledger.Money{Cents: 150, Currency: "EUR"}); got != "EUR 150" {
		t.Errorf("got %q", got)
	}
}
"""


def validated_go_suite(cache: Path, folder: Path) -> Path:
    """Make the repository, and the suite of its one task."""
    repo = Repository(folder / "repo", "go")
    repo.commit("Start", {"go.mod": MODULE, "ledger.go": BASE, "ledger_test.go": OLD_TESTS})
    fix = repo.commit("Read amounts", {"ledger.go": SOLUTION, "ledger_test.go": TESTS, "outside_test.go": OUTSIDE})
    suite = repo.suite(folder / "suite", {"money": fix})
    ended = Shell(cache, folder / "shell")("validate", suite.path, "--runs", "2", "--json", timeout=1200)
    assert ended.code == 0, ended.err
    return suite.path
