"""Test files are ranked by what speaks for them before anything is run, and the ranking is held against coverage."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worktrial.curate.relevance import Change, against_coverage, bm25, rank
from worktrial.languages.golang import GO
from worktrial.languages.python import PYTHON

CHANGE = Change(prompt="Fix the lexer for empty input", source=("src/pkg/lexer.py",), words="def tokenize(text):")
TESTS = {
    "tests/test_lexer.py": "from pkg.lexer import tokenize\n\ndef test_empty_input():\n    assert tokenize('') == []\n",
    "tests/test_cli.py": "import pkg.cli\n\ndef test_help():\n    assert pkg.cli.main(['--help']) == 0\n",
    "tests/test_io.py": "from pkg import lexer, io\n\ndef test_read():\n    assert io.read()\n",
    "tests/test_other.py": "x = True\n",
}
TOGETHER = [
    ("src/pkg/lexer.py", "tests/test_lexer.py"),
    ("src/pkg/lexer.py", "tests/test_lexer.py", "tests/test_cli.py"),
    ("src/pkg/cli.py", "tests/test_cli.py"),
]


def test_the_file_that_everything_speaks_for_is_first_with_what_speaks_for_it() -> None:
    ranked = rank(CHANGE, TESTS, TOGETHER, PYTHON)
    assert ranked[0].path == "tests/test_lexer.py"
    assert ranked[0].signals.keys() == {"history", "name", "imports", "text"}
    assert ranked[0].signals["history"] == 1.0
    signals = {one.path: one.signals for one in ranked}
    assert signals["tests/test_cli.py"]["history"] == 0.5
    assert signals["tests/test_io.py"]["imports"] == 1.0
    assert "tests/test_other.py" not in signals


def test_a_package_of_go_is_reached_from_its_folder_and_by_import() -> None:
    """The last part of an import's path is a folder; a name that only ends alike is another."""
    change = Change(prompt="", source=("lex/lexer.go", "lex/token.go"), words="")
    tests = {
        "lex/other_test.go": "package lex\n",
        "cli/cli_test.go": 'package cli\n\nimport (\n\t"testing"\n\n\tl "example.com/pkg/lex"\n)\n',
        "flex/flex_test.go": 'package flex\n\nimport "example.com/pkg/flex"\n',
    }
    signals = {one.path: one.signals for one in rank(change, tests, [], GO)}
    assert signals == {"lex/other_test.go": {"imports": 1.0}, "cli/cli_test.go": {"imports": 1.0}}


def test_precision_and_recall_are_of_the_first_five() -> None:
    ranked = rank(CHANGE, TESTS, TOGETHER, PYTHON)
    told = against_coverage(ranked, {"tests/test_lexer.py", "tests/test_io.py"})
    assert told.recall == 1.0
    assert told.precision == pytest.approx(2 / len(ranked))
    assert against_coverage(ranked, ()).precision is None
    assert against_coverage(ranked, ()).recall is None
    assert against_coverage((), {"a"}).precision is None
    assert against_coverage((), {"a"}).recall == 0.0


def test_average_precision_tells_how_far_up_the_covering_files_are() -> None:
    ranked = rank(CHANGE, TESTS, TOGETHER, PYTHON)
    order = [one.path for one in ranked]
    assert against_coverage(ranked, order[:1]).average_precision == 1.0
    assert against_coverage(ranked, order[1:2]).average_precision == 0.5
    assert against_coverage(ranked, [order[0], "unranked"]).average_precision == 0.5


def test_recall_is_of_no_more_files_than_are_predicted() -> None:
    tests = {f"test_{n}.py": "tokenize" for n in range(9)}
    told = against_coverage(rank(CHANGE, tests, (), PYTHON), set(tests))
    assert (told.precision, told.recall, len(told.ranked)) == (1.0, 1.0, 9)


def test_bm25_is_that_of_the_formula_on_a_small_example() -> None:
    documents = {"a": ["red", "red", "blue"], "b": ["blue"]}
    weight = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    expected = weight * 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / 2))
    assert bm25(["red"], documents) == pytest.approx({"a": expected, "b": 0.0})
    assert bm25(["red"], {}) == {}


WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=8)


@given(WORDS, st.dictionaries(st.sampled_from("xyz"), WORDS, max_size=3))
def test_a_score_is_never_negative_and_zero_without_a_shared_word(
    query: list[str], documents: dict[str, list[str]]
) -> None:
    for path, score in bm25(query, documents).items():
        assert (score > 0) == bool(set(query) & set(documents[path]))


def test_no_ranking_is_more_precise_than_the_files_that_cover_allow() -> None:
    change = Change("tokenize empty input", ("pkg/lexer.py",), "def tokenize(text): return []")
    ranked = rank(change, TESTS, [], PYTHON)
    assert ranked
    best = against_coverage(ranked, [ranked[0].path])
    assert best.precision == best.possible_precision == 1 / len(ranked)
    every = against_coverage(ranked, [one.path for one in ranked])
    assert every.precision == every.possible_precision == 1.0
    assert against_coverage(ranked, []).possible_precision is None
