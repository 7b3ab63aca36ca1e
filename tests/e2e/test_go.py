"""The whole way with a repository in Go."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.workshop import Repository, Shell, lines
from tests.languages.golang import go

from worktrial.store.suite import Suite

MOD = "module example.com/shop\n\ngo 1.24\n"
PRICE = """package price

// Total is the sum of prices.
func Total(all ...int) int {
	sum := 0
	for _, one := range all {
		sum += one
	}
	return sum
}
"""
DISCOUNT = """
// Discount takes a share, in percent, off a price that is large enough.
func Discount(price, share int) int {
	if price < 10 {
		return price
	}
	return price - price*share/100
}
"""
TEST = """package price

import "testing"

func TestTotal(t *testing.T) {
	if got := Total(1, 2); got != 3 {
		t.Errorf("got %d", got)
	}
}
"""
DISCOUNT_TEST = """
func TestDiscount(t *testing.T) {
	for _, c := range []struct{ price, want int }{{20, 10}, {4, 4}} {
		if got := Discount(c.price, 50); got != c.want {
			t.Errorf("%d becomes %d", c.price, got)
		}
	}
}
"""
NAMES = 'package names\n\nimport "strings"\n\n// Title begins with a capital.\nfunc Title(name string) string {\n'
SHOUTED = NAMES + "\treturn strings.ToUpper(name)\n}\n"
TITLED = NAMES + '\tif name == "" {\n\t\treturn ""\n\t}\n\treturn strings.ToUpper(name[:1]) + name[1:]\n}\n'
NAMES_TEST = """package names_test

import (
	"testing"

	"example.com/shop/names"
)

func TestNothing(t *testing.T) {
	if names.Title("") != "" {
		t.Error("something")
	}
}
"""
TITLE_TEST = """
func TestTitle(t *testing.T) {
	if got := names.Title("anna Bo"); got != "Anna Bo" {
		t.Fatal(got)
	}
}
"""


def shop(path: Path) -> Repository:
    """Return a repository with two changes that make good tasks and one that changes nothing but a comment."""
    repo = Repository(path)
    start = {"price/price.go": PRICE, "price/price_test.go": TEST, "names/names.go": SHOUTED}
    repo.commit("Start", {"go.mod": MOD, "names/names_test.go": NAMES_TEST, **start})
    repo.commit("Keep the rest of a name", {"names/names.go": TITLED, "names/names_test.go": NAMES_TEST + TITLE_TEST})
    repo.commit("Discounts", {"price/price.go": PRICE + DISCOUNT, "price/price_test.go": TEST + DISCOUNT_TEST})
    said = {"names/names.go": TITLED.replace("a capital", "a letter")}
    repo.commit("Say it better", {**said, "names/names_test.go": NAMES_TEST + TITLE_TEST + "\n// Enough.\n"})
    return repo


@go.needs_go
@pytest.mark.slow
def test_changes_of_a_go_repository_become_tasks_whose_controls_are_at_both_ends(
    shell: Shell, session_cache: Path, tmp_path: Path
) -> None:
    """Mined, proved, run and graded by the commands alone; and refused once the environment tells of a solution."""
    repo = shop(tmp_path / "shop")
    mined = shell("mine", repo.path, "--suite", "suite", "--json")
    assert mined.code == 0, mined.err
    assert (mined.json["candidates"], mined.json["funnel"]) == (2, {"comments_only": 1, "root_commit": 1})
    validated = shell("validate", "suite", "--runs", "2", "--json", timeout=600)
    assert validated.code == 0, validated.err
    assert validated.json["funnel"] == {"accepted": 2}, validated.err
    assert validated.json["relevance"]["recall"] == 1.0
    suite = Suite(shell.folder / "suite")
    tests = {test for task in suite.tasks() for test in task.tests.deciding()}
    assert tests == {
        "price/price_test.go::TestDiscount",
        "price/price_test.go::TestTotal",
        "names/names_test.go::TestTitle",
    }
    ran = shell("run", "suite", "--agent", "oracle", "--agent", "nop", "--out", "run", "--json", timeout=600)
    assert ran.code == 0, ran.err
    assert {name: agent["rate"] for name, agent in ran.json["agents"].items()} == {"oracle": 1.0, "nop": 0.0}
    assert all(agent["infrastructure"] == 0 for agent in ran.json["agents"].values())

    (task, *_) = [task for task in suite.tasks() if task.source_files == ("price/price.go",)]
    (suite.task_dir(task.id) / "leaks.json").unlink()
    planted = session_cache / "environments" / task.environment / "cache/ff/planted-d"
    planted.write_bytes(b"!<arch>\n__.PKGDEF\n\0example.com/shop/price.Discount\0")
    try:
        refused = shell("run", "suite", "--agent", "nop", "--task", task.id, "--out", "other", timeout=300)
    finally:
        planted.unlink()
    assert refused.is_clean_error("could find the solution", "planted-d", "example.com/shop/price")
    assert {record["language"] for record in lines(shell.folder / "suite/candidates.jsonl")} == {"go"}
