"""What is read of a test binary: signed lines in order and no others, and the runner's own lines among hostile ones."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.languages.golang import go

from worktrial.languages.golang import canaries, printed, witness

KEY = bytes(range(16))
WORDS = st.one_of(
    st.sampled_from("iu"),
    st.builds("{} {}".format, st.sampled_from("bdexof"), st.integers(0, 9)),
    st.builds("r {} {}".format, st.integers(0, 9), st.sampled_from("pfs")),
    st.builds("l {} {} {} {}".format, *[st.integers(0, 99)] * 4),
)


def signed(words: list[str], key: bytes = KEY) -> list[bytes]:
    contents = [b"%d %s" % (number, word.encode()) for number, word in enumerate(words)]
    return [b"%016x %s\n" % (witness.siphash(key, content), content) for content in contents]


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (8, 0x93F5F5799A932462), (15, 0xA129CA6149BE45E5)],
)
def test_the_signature_is_that_of_the_paper(length: int, expected: int) -> None:
    assert witness.siphash(KEY, bytes(range(length))) == expected


@go.needs_go
def test_the_witness_signs_as_it_is_read(tmp_path: Path) -> None:
    main = """package main

import w "example.com/m/witness"

func main() {
	for number := range 40 {
		w.Start(number*number*number, "main")
	}
	w.Start(1, "other")
}
"""
    (tmp_path / "witness").mkdir()
    (tmp_path / "witness/witness.go").write_text(witness.SOURCE.read_text())
    (tmp_path / "main.go").write_text(main)
    (tmp_path / "go.mod").write_text("module example.com/m\n\ngo 1.24\n")
    go.run("build", "-o", "speaks", ".", folder=tmp_path)
    made = witness.make()
    done = subprocess.run(
        [tmp_path / "speaks"],
        input=made.order(None),
        env={"WORKTRIAL_REPORT_FD": "1"},
        capture_output=True,
        check=True,
    )
    said = witness.read(done.stdout, made.key)
    assert said.forged == ""
    assert said.begun == [*(number**3 for number in range(40)), 1]
    assert said.strangers == {1}
    assert witness.read(done.stdout, KEY).forged


@given(st.lists(WORDS, max_size=8), st.data())
def test_a_report_that_anybody_changed_is_read_up_to_there_and_no_further(
    words: list[str], data: st.DataObject
) -> None:
    lines = signed(words)
    assert witness.read(b"".join(lines), KEY).forged == ""
    at = data.draw(st.integers(0, len(lines)))
    foreign = data.draw(
        st.one_of(
            st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\n"),
            WORDS.map(lambda word: signed([*words[:at], word], KEY[::-1])[-1]),
            st.sampled_from(lines or [b"\n"]).map(
                lambda line: b"%s" % line.swapcase() if line[:16].upper() != line[:16] else b"\n"
            ),
        )
    )
    said = witness.read(b"".join([*lines[:at], foreign, *lines[at:]]), KEY)
    assert said.forged
    before = witness.read(b"".join(lines[:at]), KEY)
    assert (said.results, said.begun, said.ended) == (before.results, before.begun, before.ended)


@given(st.lists(WORDS, min_size=1, max_size=8), st.data())
def test_a_line_that_was_cut_off_is_no_forgery_where_we_cut_it(words: list[str], data: st.DataObject) -> None:
    whole = b"".join(signed(words))
    cut = whole[: data.draw(st.integers(1, len(whole) - 1))]
    assert witness.read(cut, KEY, whole=False).forged == ""
    assert bool(witness.read(cut, KEY).forged) == (not cut.endswith(b"\n"))


@given(st.binary())
def test_nothing_that_a_stranger_writes_is_a_result(data: bytes) -> None:
    said = witness.read(data, KEY)
    assert not said.results
    assert not said.begun


def test_a_failure_is_told_before_the_result_and_does_not_part_it_from_the_end() -> None:
    said = witness.read(b"".join(signed(["d 1", "r 1 p", "r 2 p", "d 2", "u"])), KEY)
    assert (said.told, said.last, said.strayed) == ({1}, 2, True)


def test_two_different_answers_are_a_failure() -> None:
    assert witness.read(b"".join(signed(["r 1 p", "r 1 f"])), KEY).results == {1: "f"}
    assert witness.read(b"".join(signed(["r 1 f", "r 1 p"])), KEY).results == {1: "f"}


NAMES = st.from_regex(r"Test[A-Z][a-z]{0,4}", fullmatch=True)
NOISE = st.binary(max_size=30).filter(lambda data: b"\x16" not in data)
RESULTS = st.dictionaries(NAMES, st.sampled_from(["PASS", "FAIL", "SKIP"]), max_size=6)


def output(results: dict[str, str], noise: list[bytes]) -> bytes:
    parts = []
    for number, (name, result) in enumerate(results.items()):
        said = noise[number % len(noise)] if noise else b""
        parts.append(
            b"\x16=== RUN   %s\n%s\x16--- %s: %s (0.01s)\n" % (name.encode(), said, result.encode(), name.encode())
        )
    return b"".join(parts)


@given(RESULTS, st.lists(NOISE, max_size=4))
def test_the_runner_s_verdicts_are_found_whatever_tests_print(results: dict[str, str], noise: list[bytes]) -> None:
    assert printed.verdicts(output(results, noise)) == {name: {result} for name, result in results.items()}


@given(RESULTS, st.lists(NOISE, max_size=4), st.data())
def test_output_that_was_cut_gives_some_of_the_verdicts_and_no_others(
    results: dict[str, str], noise: list[bytes], data: st.DataObject
) -> None:
    whole = output(results, noise)
    first = data.draw(st.integers(0, len(whole)))
    last = data.draw(st.integers(first, len(whole)))
    found = printed.verdicts(whole[:first] + whole[last:])
    torn = {name for name in found if results.get(name) is None or found[name] != {results[name]}}
    # Where two pieces meet, half a line of the one and half of the other may make one.
    assert len(torn) <= 1


@given(st.binary())
def test_any_output_can_be_shown(data: bytes) -> None:
    printed.verdicts(data)
    assert "\x16" not in printed.for_people(data, ())


def test_people_are_not_shown_the_canaries_nor_the_runner_s_marks() -> None:
    said = (
        b"hello\n\x16=== RUN   TestCanary1\n    x_test.go:4: got 1\n\x16--- FAIL: TestCanary1 (0.00s)\n"
        b"\x16=== RUN   TestReal\n\x16--- PASS: TestReal (0.00s)\n\x16=== NAME  \n\x16FAIL\n"
    )
    assert printed.for_people(said, ("TestCanary1",)) == "hello\n--- PASS: TestReal (0.00s)\n"


@given(st.randoms(use_true_random=False))
def test_no_two_tests_of_a_canary_share_a_name(rng: object) -> None:
    made = canaries.make(rng)  # type: ignore[arg-type] # hypothesis' own subclass
    assert len(set(made.tests)) == 2
    assert made.name.endswith("_test.go")
