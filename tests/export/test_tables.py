"""CSV, SQLite and Parquet: the same rows in each, and nothing in them that does harm."""

from __future__ import annotations

import csv
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from tests.e2e.workshop import Shell
from tests.export.conftest import BYTES, FORMULA

from worktrial.export import to_csv, to_parquet, to_sqlite
from worktrial.export.tables import TABLES, TRIALS, attempts, fit
from worktrial.store.run import RunDir

CONTROLS = frozenset({"oracle", "nop"})


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sqlite_rows(path: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table}")]


@pytest.fixture(scope="module")
def written(run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("written")
    to_csv.write(attempts(run, CONTROLS), out / "csv", one_file=False)
    to_sqlite.write(attempts(run, CONTROLS), out / "run.db")
    to_parquet.write(attempts(run, CONTROLS), out / "parquet", one_file=False)
    return out


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_all_formats_hold_the_same_rows(written: Path, table: str) -> None:
    found = sqlite_rows(written / "run.db", table)
    columnar = parquet.read_table(written / f"parquet/{table}.parquet").to_pylist()
    text = csv_rows(written / f"csv/{table}.csv")
    assert len(found) == len(columnar) == len(text) > 0
    for one, other, third in zip(found, columnar, text, strict=True):
        assert list(one) == list(other) == list(third)
        for name, value in one.items():
            there = other[name].isoformat() if hasattr(other[name], "isoformat") else other[name]
            assert there == value
            shown = third[name].removeprefix("'")
            if isinstance(value, float):
                assert float(shown) == value
            elif isinstance(other[name], bool):
                assert shown == str(other[name]).lower()
            else:
                assert shown == ("" if value is None else str(value))


def test_every_attempt_is_there_and_says_how_it_counts(written: Path) -> None:
    rows = [row for row in sqlite_rows(written / "run.db", "trials") if row["agent"] == "alpha"]
    assert [(row["n"], row["set_aside"], row["outcome"]) for row in rows] == [
        (1, None, "solved"),
        (1, 1, "set_aside"),
        (2, None, "not_solved"),
        (1, None, "tampered"),
        (2, None, "infrastructure"),
        (1, None, "ungraded"),
        (2, None, "unfinished"),
    ]
    assert (rows[0]["calls_edit"], rows[0]["calls_read"], rows[0]["tests_after_last_edit"]) == (2, 0, 1)
    assert rows[0]["model"] == "m-1"
    assert rows[1]["cost_usd"] == 0.5
    assert not rows[0]["control"]


def test_unknown_is_empty_and_never_zero(written: Path) -> None:
    rows = [row for row in sqlite_rows(written / "run.db", "trials") if row["agent"] == "alpha"]
    unknown, never = rows[2], rows[6]
    assert (unknown["cost_usd"], unknown["input_tokens"], unknown["calls_edit"]) == (None, None, None)
    assert unknown["agent_s"] == 120.0
    assert {never[name] for name, kind in TRIALS.columns if kind in ("integer", "real")} - {2} == {None}


def test_no_cell_is_a_formula_and_none_holds_what_files_cannot(written: Path) -> None:
    rows = csv_rows(written / "csv/trials.csv")
    assert rows[2]["verdict_detail"] == f"'{FORMULA}"
    assert "\0" not in (written / "csv/trials.csv").read_text("utf-8")
    assert rows[3]["verdict_detail"] == fit(BYTES) == "caf\ufffd \u2400 \u241b[31m"
    assert csv_rows(written / "csv/failed_tests.csv")[0]["test"] == "tests/a.py::test_x[=1+1]"


@given(st.text(st.characters(), max_size=40))
def test_any_text_comes_back_from_csv_and_is_no_formula(text: str) -> None:
    shown = to_csv.cell(text)
    assert isinstance(shown, str)
    shown.encode()
    assert not shown.lstrip().startswith(("=", "+", "-", "@", "\t", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert shown in (fit(text), f"'{fit(text)}")
    assert not any(ord(char) < 32 and char not in "\t\n" for char in shown)


def test_numbers_stay_numbers_in_csv() -> None:
    assert (to_csv.cell(-1.5), to_csv.cell(-3), to_csv.cell(True), to_csv.cell(None)) == (-1.5, -3, "true", None)


# -- the command --


@pytest.mark.parametrize("shape", ["csv", "parquet"])
def test_a_file_by_its_ending_holds_the_trials_alone(run: RunDir, shell: Shell, shape: str) -> None:
    ended = shell("export", run.path, "--to", shape, "--out", f"x.{shape}", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["attempts"] == 19
    assert ended.json["outcomes"]["set_aside"] == 1
    path = shell.folder / f"x.{shape}"
    rows = csv_rows(path) if shape == "csv" else parquet.read_table(path).to_pylist()
    assert len(rows) == 19


def test_an_export_takes_the_place_of_an_old_one_and_of_nothing_else(run: RunDir, shell: Shell) -> None:
    for _ in range(2):
        assert shell("export", run.path, "--to", "csv", "--out", "out").code == 0
    assert sorted(path.name for path in (shell.folder / "out").iterdir()) == [
        "failed_tests.csv", "tool_calls.csv", "trials.csv",
    ]  # fmt: skip
    (shell.folder / "out/thesis.txt").write_text("mine")
    assert shell("export", run.path, "--to", "csv", "--out", "out").is_clean_error("thesis.txt", code=4)
    assert shell("export", run.path, "--to", "sqlite", "--out", "out").is_clean_error("is a folder", code=4)
    assert (shell.folder / "out/thesis.txt").read_text() == "mine"
    (shell.folder / "notes.txt").write_text("mine")
    assert shell("export", run.path, "--to", "sqlite", "--out", "notes.txt").is_clean_error("no database", code=4)
    assert (shell.folder / "notes.txt").read_text() == "mine"


def test_what_fails_on_the_way_leaves_the_old_export_as_it_was(run: RunDir, shell: Shell, tmp_path: Path) -> None:
    import shutil

    assert shell("export", run.path, "--to", "sqlite", "--out", "run.db").code == 0
    before = (shell.folder / "run.db").read_bytes()
    torn = Path(shutil.copytree(run.path, tmp_path / "torn"))
    next(torn.glob("trials/nop/*/2/verdict.json")).write_text("{")
    assert shell("export", torn, "--to", "sqlite", "--out", "run.db").is_clean_error("verdict.json is not a valid")
    assert (shell.folder / "run.db").read_bytes() == before
    assert [path.name for path in shell.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(("shape", "module"), [("parquet", "pyarrow"), ("inspect", "inspect_ai")])
def test_an_extra_that_is_missing_is_named(run: RunDir, shell: Shell, tmp_path: Path, shape: str, module: str) -> None:
    (tmp_path / module).mkdir()
    (tmp_path / module / "__init__.py").write_text("raise ImportError('not here')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ended = shell("export", run.path, "--to", shape, "--out", "x", env={"PYTHONPATH": path})
    assert ended.is_clean_error(f"worktrial[{shape}]", code=4)
    assert not (shell.folder / "x").exists()


def test_a_long_run_takes_no_more_memory_than_a_short_one() -> None:
    program = (
        "import resource, sys, tempfile\n"
        "from pathlib import Path\n"
        "from worktrial.export import to_csv, to_sqlite\n"
        "from worktrial.export.tables import Attempt\n"
        "from worktrial.formats.run import AgentConfig\n"
        "config = AgentConfig(name='a', kind='basic')\n"
        "def attempts():\n"
        "    for n in range(int(sys.argv[1])):\n"
        "        yield Attempt(config, False, 'task' * 100, n, None, None, None, Path())\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    to_csv.write(attempts(), Path(folder) / 'csv', one_file=False)\n"
        "    to_sqlite.write(attempts(), Path(folder) / 'db')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-c", program, str(n)], capture_output=True, check=True).stdout)
        for n in (2_000, 20_000)
    ]
    assert peaks[1] < peaks[0] + 8_000  # KiB
