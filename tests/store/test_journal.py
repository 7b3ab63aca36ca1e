"""The journal: what was appended is there, whatever happened meanwhile."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worktrial.errors import FormatError
from worktrial.formats.base import now
from worktrial.formats.journal import JournalEntry
from worktrial.store.journal import Journal


def entry(task: str) -> JournalEntry:
    return JournalEntry(at=now(), event="trial", task=task)


@pytest.fixture
def journal(tmp_path: Path) -> Journal[JournalEntry]:
    return Journal(tmp_path / "deep" / "journal.jsonl", JournalEntry)


def test_a_journal_that_was_never_written_is_empty(journal: Journal[JournalEntry]) -> None:
    assert list(journal) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tasks=st.lists(st.text(st.characters(codec="utf-8")) | st.text("\u2028\u2029\x85\r\n\udcff\0"), max_size=5))
def test_any_text_comes_back_in_its_order(tmp_path: Path, tasks: list[str]) -> None:
    journal = Journal(tmp_path / "journal.jsonl", JournalEntry)
    journal.replace([])
    for task in tasks:
        journal.append(entry(task))
    assert [record.task for record in journal] == tasks
    journal.replace(list(journal))
    assert [record.task for record in journal] == tasks


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=1))
def test_a_torn_last_line_is_dropped_and_the_next_append_is_whole(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path / "journal.jsonl", JournalEntry)
    journal.replace([entry("one"), entry("two")])
    data = journal.path.read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1
    os.truncate(journal.path, last + cut % (len(data) - last))
    assert [record.task for record in journal] == ["one"]
    journal.append(entry("three"))
    assert [record.task for record in journal] == ["one", "three"]


def test_a_whole_line_that_is_wrong_is_an_error_that_names_file_and_line(journal: Journal[JournalEntry]) -> None:
    journal.append(entry("one"))
    journal.path.write_bytes(journal.path.read_bytes() + b'{"event": "no such"}\n')
    with pytest.raises(FormatError, match=r"journal\.jsonl line 2"):
        list(journal)


def test_a_journal_that_cannot_be_read_is_named(journal: Journal[JournalEntry]) -> None:
    journal.path.mkdir(parents=True)
    with pytest.raises(FormatError, match=r"journal\.jsonl"):
        list(journal)


async def test_tasks_and_threads_may_append_at_once(journal: Journal[JournalEntry]) -> None:
    async def some(name: int) -> None:
        for place in range(10):
            journal.append(entry(f"{name}-{place}" * 50))
            await asyncio.sleep(0)

    await asyncio.gather(*map(some, range(5)))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.append(entry(f"thread {n}" * 500)), range(60)))
    assert len(list(journal)) == 110
