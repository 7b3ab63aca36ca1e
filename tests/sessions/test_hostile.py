"""Whatever becomes of a log, reading it ends and raises nothing; what could not be read is counted."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sessions.test_golden import CASES, materialise

from worktrial.errors import StorageError
from worktrial.formats.session import Session
from worktrial.sessions import load, names
from worktrial.sessions.reading import Tally, as_text, as_time, lines

REAL = Path(__file__).parents[1] / "agents/real/logs"
STREAMED = (
    "claude_code",
    "codex",
    "gemini_cli",
    "qwen_code",
    "aider",
    "opencode",
    "copilot_cli",
    "specstory",
    "generic",
)
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def recorded() -> dict[str, bytes]:
    """Return one real log of each kind that is a single file of text."""
    found = {}
    for case in CASES:
        if case.name == "rejected":
            for path in (case / "home").rglob("*"):
                if path.suffix in (".jsonl", ".md") and path.is_file() and path.name != "README.md":
                    found[case.parts[-3]] = path.read_bytes()
    for name in ("qwen_code",):
        (log,) = REAL.glob(f"{name}-*.json")
        found[name] = next(iter(json.loads(log.read_text("utf-8")).values())).encode()
    return found


LOGS = recorded()


def read(name: str, data: bytes) -> list[Session]:
    return list(load(name).stream(io.BytesIO(data), Path("/home/dev/shop/log")))  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(LOGS))
@QUICK
@given(data=st.data())
def test_a_log_cut_anywhere_gives_what_stands_before_the_cut(name: str, data: st.DataObject) -> None:
    whole = LOGS[name]
    cut = data.draw(st.integers(0, len(whole)))
    found = read(name, whole[:cut])
    full = read(name, whole)
    assert len(found) <= len(full)
    for session, known in zip(found, full, strict=False):
        assert list(session.prompts())[:-1] == list(known.prompts())[: len(session.prompts()) - 1]
        assert session.torn <= 1


@pytest.mark.parametrize("name", sorted(LOGS))
@QUICK
@given(data=st.data())
def test_bytes_changed_anywhere_raise_nothing(name: str, data: st.DataObject) -> None:
    damaged = bytearray(LOGS[name])
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=30)):
        damaged[at] = data.draw(st.integers(0, 255))
    for session in read(name, bytes(damaged)):
        assert session.model_validate_json(session.model_dump_json()) == session


@pytest.mark.parametrize("name", STREAMED)
@QUICK
@given(junk=st.binary(max_size=2000))
def test_junk_is_no_session_and_no_error(name: str, junk: bytes) -> None:
    read(name, junk)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("name", [name for name in STREAMED if name in LOGS and name != "aider"])
@QUICK
@given(data=st.data())
def test_a_value_of_another_type_where_one_is_expected_raises_nothing(name: str, data: st.DataObject) -> None:
    rows = LOGS[name].splitlines()
    number = data.draw(st.integers(0, len(rows) - 1))
    value = json.loads(rows[number])
    place = value
    while isinstance(place, dict) and place:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or data.draw(st.booleans()):
            place[key] = data.draw(_JSON)
            break
        place = place[key]
    rows[number] = json.dumps(value).encode()
    read(name, b"\n".join(rows))


def test_a_line_that_is_too_long_is_passed_over_and_counted() -> None:
    tally = Tally()
    file = io.BytesIO(b"a\n" + b"x" * 50 + b"\nb\n" + b"y" * 12)
    assert list(lines(file, tally, longest=10)) == [b"a\n", b"b\n"]
    assert tally.torn == 2


def test_a_line_as_long_as_may_be_is_read() -> None:
    tally = Tally()
    assert list(lines(io.BytesIO(b"123456789\n1"), tally, longest=10)) == [b"123456789\n", b"1"]
    assert tally.torn == 0


def test_half_a_character_is_replaced_and_whole_ones_stay() -> None:
    assert as_text("a\ud800b🎉é") == "a\ufffdb🎉é"


@given(st.floats() | st.integers() | st.text() | st.booleans() | st.none())
def test_any_value_is_a_moment_or_none(value: object) -> None:
    moment = as_time(value)
    assert moment is None or moment.tzinfo is not None


@pytest.fixture
def database(tmp_path: Path) -> Path:
    case = next(case for case in CASES if case.parts[-3] == "opencode")
    return next(materialise(case, tmp_path).rglob("opencode.db"))


@QUICK
@given(data=st.data())
def test_a_damaged_database_raises_nothing_but_that_it_cannot_be_opened(database: Path, data: st.DataObject) -> None:
    damaged = bytearray(database.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=200)):
        damaged[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    other = database.with_name("damaged.db")
    other.write_bytes(damaged[:cut] if data.draw(st.booleans()) else damaged)
    try:
        list(load("opencode").read(other))
        list(load("opencode").find(Path("/home/dev/shop"), database.parents[3]))
    except StorageError:
        pass


def test_a_damaged_schema_raises_nothing_but_that_it_cannot_be_opened(database: Path) -> None:
    """Also where SQLite complains of it in bytes that are no text."""
    whole = database.read_bytes()
    other = database.with_name("damaged.db")
    for start in (found.start() for found in re.finditer(b"CREATE ", whole)):
        for at in range(start, start + 40):
            other.write_bytes(whole[:at] + b"\x80" + whole[at + 1 :])
            with contextlib.suppress(StorageError):
                list(load("opencode").read(other))


def test_a_database_is_read_while_a_program_writes_to_it_and_nothing_is_left_beside_it(database: Path) -> None:
    writer = sqlite3.connect(database)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("UPDATE session SET directory = '/home/dev/shop'")
    writer.commit()
    writer.execute("UPDATE session SET directory = '/elsewhere'")  # begun and not ended
    before = {path.name for path in database.parent.iterdir()}
    (session,) = load("opencode").read(database, Path("/home/dev/shop"))
    assert session.prompts()
    assert {path.name for path in database.parent.iterdir()} == before
    writer.rollback()
    writer.close()


def test_a_database_that_stands_still_gets_no_files_beside_it(database: Path) -> None:
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert list(load("opencode").read(database))
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


def test_sessions_of_other_repositories_in_the_same_database_are_not_read(database: Path) -> None:
    assert list(load("opencode").read(database, Path("/home/dev/other"))) == []


@pytest.mark.parametrize("name", names())
def test_a_log_that_is_not_there_is_a_storage_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        list(load(name).read(tmp_path / "nothing"))
