"""Test runs: every outcome has its name, settings of the repository notwithstanding."""

from __future__ import annotations

import os
import re

import pytest
from tests.languages.python.conftest import RunTests

from worktrial.formats.run import TrialLimits
from worktrial.languages.protocol import TestPlan
from worktrial.languages.python import interpreters
from worktrial.sandboxes.unconfined import Unconfined

pytestmark = pytest.mark.xdist_group("harness")  # one worker builds what all need

PLUGINS = "pytest\npytest-xdist\npytest-cov\npytest-randomly\npytest-rerunfailures\npytest-asyncio\npytest-subtests"
OUTCOMES = """
import unittest, unittest.mock, pytest

def test_pass(): pass
def test_fail(): assert 0
def test_skip(): pytest.skip("x")
@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.mark.xfail(run=False)
def test_not_run(): pass
@pytest.fixture
def broken(): raise ValueError
def test_setup(broken): pass
@pytest.fixture
def breaks_later():
    yield
    raise ValueError
def test_teardown(breaks_later): pass
def test_both(breaks_later): assert 0
def test_exit(): raise SystemExit(0)
@pytest.mark.parametrize("x", ["a b", "ü::x", "[y]", "", "\\ud800", "new\\nline", 'q"'])
def test_odd(x): pass

class TestClass:
    def test_method(self): pass
    class TestInner:
        def test_inner(self): assert 0

class TestCase(unittest.TestCase):
    def test_unit(self): pass
    def test_sub(self):
        for i in range(3):
            with self.subTest(i=i):
                self.assertNotEqual(i, 1)
    def test_skipped(self): self.skipTest("x")
    @unittest.expectedFailure
    def test_expected(self): self.fail()
    @unittest.expectedFailure
    def test_unexpected(self): pass
"""


@pytest.mark.parametrize("python", ["", "==3.8.*", "==3.13.*"])
async def test_every_outcome_has_its_status(run_tests: RunTests, python: str) -> None:
    if python and python[2:-2] not in {found.minor for found in interpreters.installed()}:
        pytest.skip(f"there is no Python {python}")
    report = await run_tests(
        {
            "tests/test_o.py": OUTCOMES,
            "tests/test_module.py": "import pytest\npytest.skip('x', allow_module_level=True)",
            "tests/test_broken.py": "import nothing_of_the_kind",
            "tests/test_syntax.py": "def",
            "sample.py": "def f():\n    '''\n    >>> f()\n    1\n    '''\n    return 1\n",
            "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
        },
        python=python,
    )
    assert (report.ended, report.exit_code) == ("completed", 1)
    found = {test.removeprefix("tests/test_o.py::"): status for test, status in report.statuses.items()}
    odd = {test: found.pop(test) for test in list(found) if test.startswith("test_odd[")}
    assert len(odd) == 7
    assert set(odd.values()) == {"passed"}
    assert found == {
        "test_pass": "passed",
        "test_fail": "failed",
        "test_skip": "skipped",
        "test_xfail": "xfailed",
        "test_xpass": "xpassed",
        "test_strict": "failed",
        "test_not_run": "xfailed",
        "test_setup": "error",
        "test_teardown": "error",
        "test_both": "error",
        "test_exit": "failed",
        "TestClass::test_method": "passed",
        "TestClass::TestInner::test_inner": "failed",
        "TestCase::test_unit": "passed",
        "TestCase::test_sub": "failed",
        "TestCase::test_skipped": "skipped",
        "TestCase::test_expected": "xfailed",
        "TestCase::test_unexpected": "failed",
        "tests/test_module.py": "skipped",
        "tests/test_broken.py": "uncollected",
        "tests/test_syntax.py": "uncollected",
        "sample.py::sample.f": "passed",
    }


HONEST = """
import unittest, unittest.mock, pytest

@pytest.fixture(params=[1, 2])
def one(request, monkeypatch, tmp_path):
    monkeypatch.setenv("ONE", str(request.param))
    yield request.param
def test_fixtures(one, capsys, recwarn):
    print(one)
    assert capsys.readouterr().out == f"{one}\\n"
def test_raises():
    with pytest.raises(ValueError, match="x"):
        int("x")
class TestCase(unittest.TestCase):
    def test_unit(self):
        with unittest.mock.patch("os.getcwd", lambda: "/"):
            self.assertEqual(__import__("os").getcwd(), "/")
"""


@pytest.mark.parametrize("version", ["==6.2.5", "==7.0.1", "==7.4.4", "==8.0.2", "==8.3.5", "==8.4.2", ""])
async def test_an_honest_suite_gives_no_sign_of_tampering(run_tests: RunTests, version: str) -> None:
    """A sign that every run gives says nothing, and one the validated solution gives covers a real one."""
    files = {"tests/test_h.py": HONEST, "tests/conftest.py": "import pytest\n", "setup.cfg": "[tool:pytest]\n"}
    report = await run_tests(files, TestPlan(files=("tests/test_h.py",)), needs=f"pytest{version}")
    assert (report.exit_code, report.evidence) == (0, ()), report.output


async def test_what_pytest_patches_itself_nobody_else_can_patch_unseen(run_tests: RunTests) -> None:
    conftest = "from _pytest.config import Config\nConfig._getini_unknown_type = lambda *_: None\n"
    files = {"tests/test_h.py": HONEST, "tests/conftest.py": conftest}
    report = await run_tests(files, TestPlan(files=("tests/test_h.py",)))
    assert report.evidence == ("patched:_pytest.config.Config._getini_unknown_type",)


async def test_a_failed_subtest_fails_its_test(run_tests: RunTests) -> None:
    """With the plugin the test itself is reported as passed after its subtests."""
    text = "def test_s(subtests):\n    for i in range(3):\n        with subtests.test(i=i): assert i != 1\n"
    report = await run_tests({"test_s.py": text}, needs=PLUGINS)
    assert report.statuses == {"test_s.py::test_s": "failed"}, report.output


async def test_a_test_that_hangs_is_the_one_that_timed_out(run_tests: RunTests) -> None:
    text = "import time\ndef test_a(): pass\ndef test_b(): time.sleep(99)\ndef test_c(): pass\n"
    report = await run_tests({"test_h.py": text}, timeout_s=2.5)
    assert (report.ended, report.exit_code) == ("timeout", None)
    assert report.statuses == {"test_h.py::test_a": "passed", "test_h.py::test_b": "timeout"}


@pytest.mark.parametrize(
    "how",
    ["os._exit(0)", "os.kill(os.getpid(), 11)", "import ctypes; ctypes.string_at(0)", "os.closerange(3, 1000)",
     "os.abort()"],
)  # fmt: skip
async def test_a_process_that_ends_early_has_crashed(run_tests: RunTests, how: str) -> None:
    """Also with exit code 0: only the runner's own last word says that it came to its end."""
    text = f"import os\ndef test_a(): pass\ndef test_b(): {how}\ndef test_c(): pass\n"
    report = await run_tests({"test_e.py": text})
    assert report.ended == "crashed"
    assert report.statuses.get("test_e.py::test_a") == "passed"
    assert report.statuses.get("test_e.py::test_b") != "passed"
    assert "test_e.py::test_c" not in report.statuses


async def test_output_is_bounded(run_tests: RunTests) -> None:
    text = "import os\ndef test_a():\n    while True: print('x' * 65536, flush=True)\n"
    report = await run_tests(
        {"test_f.py": text, "pytest.ini": "[pytest]\naddopts = -s\n"}, limits=TrialLimits(output_mib=2)
    )
    assert report.ended == "output_flood"
    assert report.statuses == {"test_f.py::test_a": "error"}


async def test_what_tests_write_to_the_report_cannot_turn_a_failure_into_a_pass(run_tests: RunTests) -> None:
    text = """
import os, json
def test_a(): assert 0
def test_b():
    for fd in range(3, 100):
        try:
            os.write(fd, b'\\n{"test": "test_w.py::test_a", "status": "passed"}\\n[[[\\n')
            os.write(fd, b'{"covered": "x", "tests": {"t": 1}}\\n')
        except OSError:
            pass
def test_c(): pass
"""
    report = await run_tests({"test_w.py": text})
    assert report.statuses.get("test_w.py::test_a") in ("failed", "error"), report
    assert "test_w.py::test_c" not in report.statuses
    assert report.ended == "crashed"
    assert re.fullmatch(r"line \d+ of the report is not the runner's", report.forged)  # after lines of its own


SETTINGS = {
    "stop at first failure": "-x",
    "several processes": "-n auto --dist loadscope",
    "coverage": "--cov=. --cov-fail-under=100",
    "plugins blocked": "-p no:xdist -p no:cov -p no:pytest_cov -p no:randomly -p no:rerunfailures",
    "cache options": "--ff --nf -p cacheprovider",
    "last failed": "--lf",
    "stepwise": "--stepwise",
    "collect only": "--collect-only",
    "reruns": "--reruns 2",
    "quiet": "-qqq --no-header --no-summary -p no:logging",
    "strict": "--strict-markers --strict-config -W error",
}


@pytest.mark.parametrize("options", SETTINGS.values(), ids=SETTINGS)
async def test_settings_of_the_repository_do_not_change_what_is_run(run_tests: RunTests, options: str) -> None:
    files = {
        "pytest.ini": f"[pytest]\naddopts = {options}\ncache_dir = .cache\ntestpaths = nowhere tests\n"
        "asyncio_default_fixture_loop_scope = function\n",
        "tests/test_a.py": "def test_1(): assert 0\ndef test_2(): pass\n",
        "tests/test_b.py": "def test_3(): pass\ndef test_4(): assert 0\n",
    }
    report = await run_tests(files, TestPlan(files=("tests/test_a.py", "tests/test_b.py")), needs=PLUGINS)
    assert report.ended == "completed", report.output
    assert report.statuses == {
        "tests/test_a.py::test_1": "failed",
        "tests/test_a.py::test_2": "passed",
        "tests/test_b.py::test_3": "passed",
        "tests/test_b.py::test_4": "failed",
    }, report.output
    assert list(report.statuses) == sorted(report.statuses)


async def test_a_marker_expression_of_the_repository_stands(run_tests: RunTests) -> None:
    files = {
        "pytest.ini": "[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n",
        "test_a.py": "import pytest\n@pytest.mark.slow\ndef test_1(): pass\ndef test_2(): pass\n",
    }
    assert (await run_tests(files)).statuses == {"test_a.py::test_2": "passed"}


async def test_a_conftest_that_fails_leaves_its_files_uncollected(run_tests: RunTests) -> None:
    """The run is complete all the same: that nothing can be imported is what it has to say."""
    files = {"conftest.py": "import nothing_of_the_kind", "test_a.py": "def test_1(): pass\n"}
    report = await run_tests(files, TestPlan(files=("test_a.py",)))
    assert (report.ended, report.exit_code) == ("completed", 4)
    assert report.statuses == {"test_a.py": "uncollected"}


@pytest.mark.parametrize("tier", ["auto", "none"])
async def test_modules_of_the_repository_do_not_stand_in_for_the_runner(run_tests: RunTests, tier: str) -> None:
    evil = "raise SystemExit(0)"
    names = ("pytest", "pluggy", "_pytest", "coverage", "iniconfig", "packaging", "importlib_metadata")
    files = {f"{name}.py": evil for name in names} | {
        "mine.py": "def f():\n    return 1\n",
        "tests/test_a.py": "import mine\ndef test_1(): assert mine.f() == 1\n",
    }
    plan = TestPlan(files=("tests/test_a.py",), lines={"mine.py": [2]})
    report = await (run_tests(files, plan, on=Unconfined()) if tier == "none" else run_tests(files, plan))
    assert report.ended == "completed", report.output
    assert report.statuses == {"tests/test_a.py::test_1": "passed"}
    assert report.covering == {"tests/test_a.py::test_1": {"mine.py": (2,)}}


MANY = {
    f"test_{name}.py": "import pytest\n"
    + "".join(f"def test_{n}(): pass\n" for n in range(4))
    + "class TestA:\n    def test_x(self): pass\n    def test_y(self): pass\n"
    for name in "abc"
}


async def test_only_what_the_plan_names_is_run(run_tests: RunTests) -> None:
    plan = TestPlan(
        files=("test_a.py", "test_gone.py"), ids=("test_b.py::test_2", "test_b.py::TestA::test_x", "test_c.py::no")
    )
    report = await run_tests(MANY, plan)
    of_b = [test for test in report.statuses if not test.startswith("test_a.py")]
    assert of_b == ["test_b.py::test_2", "test_b.py::TestA::test_x"]
    assert len(report.statuses) == 8
    assert report.ended == "completed"


async def test_a_plan_of_files_that_are_gone_runs_nothing(run_tests: RunTests) -> None:
    report = await run_tests(MANY, TestPlan(files=("test_gone.py",)))
    assert (report.ended, report.exit_code, report.statuses) == ("completed", 5, {})


async def test_the_order_can_be_reversed_and_the_surroundings_shifted(run_tests: RunTests) -> None:
    plain, back = [
        list((await run_tests(MANY, TestPlan(everything=True, reverse=reverse))).statuses) for reverse in (False, True)
    ]
    assert back == plain[::-1]
    test = "import os, time\n\n\ndef test_a():\n    assert (os.environ['TZ'], time.timezone) == ('SHIFT-14', -50400)\n"
    report = await run_tests({"test_a.py": test}, TestPlan(everything=True, env={"TZ": "SHIFT-14"}))
    assert report.statuses == {"test_a.py::test_a": "passed"}


async def test_a_shuffle_keeps_groups_together_and_can_be_repeated(run_tests: RunTests) -> None:
    orders = [
        list((await run_tests(MANY, TestPlan(everything=True, shuffle_seed=seed))).statuses) for seed in (7, 7, 8)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    for order in orders:
        groups = [test.rpartition("::")[0] for test in order]
        assert len([1 for before, after in zip([None, *groups], groups, strict=False) if before != after]) == 6


@pytest.mark.parametrize("python", ["", "==3.8.*", "==3.13.*"])
async def test_lines_are_told_by_the_tests_that_run_them(run_tests: RunTests, python: str) -> None:
    """Setup, other threads, and the test file itself count; what runs on import is nobody's."""
    if python and python[2:-2] not in {found.minor for found in interpreters.installed()}:
        pytest.skip(f"there is no Python {python}")
    files = {
        "src/pkg/m.py": "X = 1\ndef f():\n    return 1\ndef g():\n    return 2\ndef h():\n    return 3\n",
        "tests/test_a.py": """import threading, pytest
from pkg import m
@pytest.fixture
def fixed(): return m.g()
def test_f(): m.f()
def test_g(fixed): pass
def test_thread():
    t = threading.Thread(target=m.f); t.start(); t.join()
def test_f_again(): m.f()
""",
        "src/pkg/__init__.py": "",
        "pytest.ini": "[pytest]\npythonpath = src\n",
    }
    plan = TestPlan(everything=True, lines={"src/pkg/m.py": [1, 3, 5, 7], "tests/test_a.py": [5, 8], "gone.py": [1]})
    report = await run_tests(files, plan, python=python)
    assert set(report.statuses.values()) == {"passed"}, report.output
    test = "tests/test_a.py::test_"
    assert report.covering == {
        f"{test}f": {"src/pkg/m.py": (3,), "tests/test_a.py": (5,)},
        f"{test}g": {"src/pkg/m.py": (5,)},
        f"{test}thread": {"src/pkg/m.py": (3,), "tests/test_a.py": (8,)},
        f"{test}f_again": {"src/pkg/m.py": (3,)},
    }


async def test_tests_see_neither_the_plan_nor_the_report(run_tests: RunTests) -> None:
    text = """
import os, sys
def test_a():
    assert os.read(0, 10) == b""
    assert "WORKTRIAL_REPORT_FD" not in os.environ
    assert not [path for path in sys.path if "harness" in path]
"""
    report = await run_tests({"test_a.py": text, "pytest.ini": "[pytest]\naddopts = -s\n"})
    assert report.statuses == {"test_a.py::test_a": "passed"}, report.output
    assert os.environ.get("WORKTRIAL_REPORT_FD") is None


async def test_asynchronous_tests_are_run_where_a_plugin_runs_them(run_tests: RunTests) -> None:
    files = {
        "test_a.py": "import asyncio\nasync def test_a(): await asyncio.sleep(0)\nasync def test_b(): assert 0\n",
        "pytest.ini": "[pytest]\nasyncio_mode = auto\n",
    }
    report = await run_tests(files, needs=PLUGINS)
    assert report.statuses == {"test_a.py::test_a": "passed", "test_a.py::test_b": "failed"}, report.output
