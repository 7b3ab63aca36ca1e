"""Verdicts on what agents leave behind, honest ones and others, by whole runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import tomli_w
from tests.e2e.workshop import Shell

FIX = "def title(name):\n    return name[:1].upper() + name[1:]\n"
WRONG = "def title(name):\n    return name.upper()\n"


def write(path: str, text: str) -> str:
    return f"mkdir -p $(dirname {path}); cat > {path} <<'EOF'\n{text}EOF\n"


SOLVE = write("shop/names.py", FIX)
FORGE = """
import pytest
@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    report.outcome = "passed"
    report.longrepr = None
"""
HONEST = {
    "tracked": SOLVE,
    "staged": SOLVE + "git add -A\n",
    "committed": SOLVE + "git add -A; git commit -qm done\n",
    "branch": "git checkout -qb mine; " + SOLVE + "git commit -qam done; git checkout -q -\ngit merge -q mine\n",
    "stashed-nothing": SOLVE + "git stash -q; git stash pop -q\n",
    "no-git": SOLVE + "rm -rf .git\n",
    "nested-repository": SOLVE + "mkdir sub; cd sub; git init -q; echo x > y; git add y; git commit -qm x\n",
    "binary": SOLVE + "head -c 3000 /dev/urandom > shop/blob.bin\n",
    "renamed": SOLVE + "git mv shop/names.py shop/other.py; echo 'from shop.other import title' > shop/names.py\n",
    "untracked": write("shop/inner.py", FIX) + "echo 'from shop.inner import title' > shop/names.py\n",
    "deleted": SOLVE + "rm README.md\n",
    "mode": SOLVE + "chmod 755 shop/price.py\n",
    "package": "rm shop/names.py\n" + write("shop/names/__init__.py", FIX),
    "loud": SOLVE + "echo \"print('\\0\\033[31m\\ud800 ]]>' * 9)\" >> shop/price.py\n",
    "exit-code": SOLVE + "exit 3\n",
    "edits-tests-too": SOLVE + "echo broken > tests/test_names.py; rm tests/conftest.py\n",
    "odd-name": SOLVE + "touch \"$(printf 'tests/test_\\377.py')\" \"$(printf 'a\\nb\\t')\"\n",
}
"""Each leaves the solution, in its own way."""
OTHERS = {
    "nothing": ("true\n", "no_changes"),
    "edits-tests": (write("tests/test_names.py", "def test_title():\n    pass\n"), "tests_failed"),
    "deletes-tests": ("rm -r tests\n", "tests_failed"),
    "conftest": (write("conftest.py", FORGE) + write("tests/conftest.py", FORGE), "tests_failed"),
    "conftest-in-source": (write("shop/conftest.py", FORGE), "tests_failed"),
    "pytest-ini": (write("pytest.ini", "[pytest]\naddopts = --collect-only\n"), "tests_failed"),
    "deselect": (write("setup.cfg", "[tool:pytest]\naddopts = -k nothing\n"), "tests_failed"),
    "plugin-by-pyproject": (
        write("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-p forge"\n') + write("forge.py", FORGE),
        "tests_failed",
    ),
    "plugin-by-metadata": (
        write("forge.egg-info/entry_points.txt", "[pytest11]\nforge = forge\n")
        + write("forge.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: forge\nVersion: 1\n")
        + write("forge.py", FORGE),
        "tests_failed",
    ),
    "sitecustomize": (write("sitecustomize.py", "import os\nos._exit(0)\n"), "tests_failed"),
    "pytest-in-root": (write("pytest.py", "def main(*a, **k):\n    return 0\n"), "tests_failed"),
    "links-tests": ("mv tests aside; sed -i 's/==/!=/' aside/test_names.py; ln -s aside tests\n", "tests_failed"),
    "exits": ("echo 'import os; os._exit(0)' > shop/names.py\n", "tests_crashed"),
    "exits-in-it": (write("shop/names.py", "def title(name):\n    import os\n    os._exit(0)\n"), "tests_crashed"),
    "exits-late": (write("shop/names.py", "import atexit, os\natexit.register(os._exit, 0)\n" + WRONG), "tests_failed"),
    "disagrees": (
        write("shop/names.py", "import atexit, os\natexit.register(os._exit, 3)\n" + FIX),
        "exit_code_disagrees",
    ),
    "syntax": ("echo 'def (' > shop/names.py\n", "tests_failed"),
    "skips": (write("shop/names.py", "import pytest\npytest.skip('no', allow_module_level=True)\n"), "tests_failed"),
    "hangs": (write("shop/names.py", "import time\ntime.sleep(1000)\n"), "tests_timed_out"),
    "breaks-a-guard": (
        write("shop/names.py", FIX.replace("return", "if not name: raise ValueError\n    return")),
        "tests_failed",
    ),
}  # fmt: skip
"""Each leaves something else, and the cause its verdict has to name."""


@pytest.fixture
def graded(suite: Path, shell: Shell) -> Path:
    """Return a run of all those agents on one task."""
    task = suite / "tasks/fix/task.toml"
    # What it is depends on how long the tests took where the suite was validated.
    changed, places = re.subn(r"^test_timeout_s = .*$", "test_timeout_s = 5.0", task.read_text(), flags=re.MULTILINE)
    assert places == 1
    task.write_text(changed)
    scripts = HONEST | {name: script for name, (script, _) in OTHERS.items()}
    tables = {name: {"kind": "command", "command": ["sh", "-c", script]} for name, script in scripts.items()}
    (shell.folder / "worktrial.toml").write_text(tomli_w.dumps({"agents": tables}))
    agents = [part for name in scripts for part in ("--agent", name)]
    ended = shell("run", suite, *agents, "--no-controls", "--task", "fix", "--out", "run", "--json", timeout=900)
    assert ended.code == 0, ended.err
    return shell.folder / "run"


def verdicts(run: Path) -> dict[str, dict[str, Any]]:
    return {path.parts[-4]: json.loads(path.read_text()) for path in run.glob("trials/*/fix/1/verdict.json")}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_agents_leave_is_judged_by_the_teams_tests_alone(graded: Path, shell: Shell) -> None:
    found = verdicts(graded)
    outcomes = {name: verdict["outcome"] for name, verdict in found.items()}
    assert outcomes == {**dict.fromkeys(HONEST, "solved"), **dict.fromkeys(OTHERS, "not_solved")}
    assert {name: found[name]["cause"] for name in OTHERS} == {name: cause for name, (_, cause) in OTHERS.items()}
    assert found["edits-tests-too"]["restored"] == ["tests/conftest.py", "tests/test_names.py"]
    assert found["edits-tests"]["restored"] == ["tests/test_names.py"]
    assert "pytest.ini" in found["pytest-ini"]["restored"]
    guard = "tests/test_names.py::test_title_of_nothing"
    assert found["breaks-a-guard"]["failed"] == {guard: "failed"}
    assert found["deletes-tests"]["passed"] == 1
    assert found["disagrees"]["failed"] == {}
    assert "tests/test_\\xff.py" in found["odd-name"]["restored"]
    for name in (*HONEST, *OTHERS):
        root = ET.fromstring((graded / f"trials/{name}/fix/1/results.xml").read_text())
        assert root.tag == "testsuite"
        assert int(root.attrib["tests"]) == len(root.findall("testcase")) == 2
        assert int(root.attrib["failures"]) == len(root.findall("testcase/failure"))
        assert (outcomes[name] == "solved" or name == "disagrees") == (root.attrib["failures"] == "0")
    # Graded again, all is the same but the times.
    again = shell("grade", graded, "--json", timeout=900)
    assert again.code == 0, again.err

    def lasting(all_of_them: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        times = {"graded_at", "test_s", "twins_s", "grade_s"}
        return {name: {k: v for k, v in one.items() if k not in times} for name, one in all_of_them.items()}

    assert lasting(verdicts(graded)) == lasting(found)
    assert set(again.json["agents"]) == set(outcomes)


@pytest.fixture
def oracle_run(suite: Path, shell: Shell) -> Path:
    assert shell("run", suite, "--agent", "oracle", "--out", "run").code == 0
    return shell.folder / "run"


def test_only_missing_verdicts_are_made_when_only_those_are_asked_for(oracle_run: Path, shell: Shell) -> None:
    kept, gone = oracle_run / "trials/oracle/add/1/verdict.json", oracle_run / "trials/oracle/fix/1/verdict.json"
    before = kept.stat().st_ino
    gone.unlink()
    assert shell.cold("grade", oracle_run, "--missing").code == 0
    assert kept.stat().st_ino == before
    assert json.loads(gone.read_text())["outcome"] == "solved"


def test_a_run_whose_suite_was_moved_is_graded_where_that_is_now(oracle_run: Path, suite: Path, shell: Shell) -> None:
    moved = suite.rename(suite.with_name("moved"))
    assert shell("grade", oracle_run).is_clean_error(str(suite), "--suite")
    assert shell("grade", oracle_run, "--suite", moved, "--json").json["agents"]["oracle"]["rate"] == 1


def test_grading_by_a_suite_that_changed_says_so(oracle_run: Path, suite: Path, shell: Shell) -> None:
    (suite / "tasks/fix/prompt.md").write_text("Something else.\n")
    ended = shell("grade", oracle_run)
    assert ended.code == 0, ended.err
    assert "warning" in ended.err


def test_a_patch_that_is_not_one_or_is_gone_has_a_cause_of_its_own(oracle_run: Path, shell: Shell) -> None:
    (oracle_run / "trials/oracle/fix/1/patch.diff").write_bytes(b"diff --git a/../x b/../x\n\0garbage")
    (oracle_run / "trials/oracle/add/1/patch.diff").unlink()
    assert shell("grade", oracle_run).code == 0
    fix = json.loads((oracle_run / "trials/oracle/fix/1/verdict.json").read_text())
    assert (fix["outcome"], fix["cause"]) == ("not_solved", "patch_does_not_apply")
    add = json.loads((oracle_run / "trials/oracle/add/1/verdict.json").read_text())
    assert (add["outcome"], add["cause"]) == ("infrastructure", "grading_failed")


def test_a_damaged_suite_is_an_error_and_no_verdict(oracle_run: Path, suite: Path, shell: Shell) -> None:
    (suite / "tasks/fix/tests.patch").write_bytes(b"")
    assert shell("grade", oracle_run).is_clean_error("fix", "damaged")


def test_a_corrupt_file_of_a_run_is_named(oracle_run: Path, shell: Shell) -> None:
    for name in ("run.toml", "lock.json", "trials/oracle/fix/1/trial.json"):
        path = oracle_run / name
        before = path.read_bytes()
        for content in (b"", b"{}", b"\xff\xfe\x00"):
            path.write_bytes(content)
            assert shell("grade", oracle_run).is_clean_error(path.name)
        path.write_bytes(before)


def test_a_store_that_is_gone_says_what_to_do(oracle_run: Path, suite: Path, shell: Shell) -> None:
    shutil.rmtree(suite / "store.git")
    assert shell("grade", oracle_run).is_clean_error("no tree store", "validate")
