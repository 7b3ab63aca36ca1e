"""Proof that a test's body ran: which tests give it, on every version of Python that is here."""

from __future__ import annotations

import hashlib

import pytest
from tests.languages.python.conftest import RunTests

from worktrial.languages.protocol import TestPlan
from worktrial.languages.python import interpreters

pytestmark = pytest.mark.xdist_group("harness")

STYLES = '''"""A docstring."""
from __future__ import annotations
import functools, unittest, pytest

def test_plain(): pass
def test_docstring():
    """Says nothing."""
def test_returns_early():
    if 1:
        return
    assert 0
def test_returns_nothing_of_worth():
    for n in range(3):
        try:
            return None
        finally:
            n += 1
def test_with_closure():
    def inner(): return 1
    assert inner() == 1
@pytest.mark.parametrize("x", [1, "a::b[c]"])
def test_many(x): assert x

def keeping(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs): return function(*args, **kwargs)
    return wrapper
@keeping
def test_wrapped(): pass
def swallowing(function):
    def wrapper():
        try: function()
        except AssertionError: pass
    return wrapper
@swallowing
def test_swallowed(): assert 0
test_made = lambda: None

@pytest.fixture
def test_like_fixture():
    yield 1
def test_fixture(test_like_fixture): assert test_like_fixture == 1

class TestOuter:
    def test_method(self): pass
    class TestInner:
        def test_inner(self): pass
    @staticmethod
    def test_static(): pass
class TestHeir(TestOuter): pass
if True:
    class TestConditional:
        def test_in_block(self): pass
class Case(unittest.TestCase):
    def test_unit(self): self.assertTrue(1)
    def test_sub(self):
        with self.subTest(): pass
class Async(unittest.IsolatedAsyncioTestCase):
    async def test_async(self): return
'''


@pytest.mark.parametrize("settings", ["", "--assert=plain", "--import-mode=importlib"])
@pytest.mark.parametrize("python", ["", "==3.8.*", "==3.13.*"])
async def test_all_bodies_that_end_are_proved(run_tests: RunTests, python: str, settings: str) -> None:
    if python and python[2:-2] not in {found.minor for found in interpreters.installed()}:
        pytest.skip(f"there is no Python {python}")
    files = {"tests/test_p.py": STYLES, "pytest.ini": f"[pytest]\naddopts = {settings}\n"}
    report = await run_tests(files, TestPlan(files=("tests/test_p.py",)), python=python)
    assert report.ended == "completed", report.output
    assert set(report.statuses.values()) == {"passed"}, report.output
    assert report.exit_code == 0
    unproven = {test.partition("::")[2] for test in report.unproven}
    assert unproven == {"test_swallowed", "test_made"}
    assert report.sources["tests/test_p.py"] == hashlib.sha256(STYLES.encode()).hexdigest()
    assert report.canaries_passed == ()
    assert not report.forged


async def test_lines_and_introspection_are_as_they_were(run_tests: RunTests) -> None:
    text = '''import inspect, sys
def test_line():
    assert sys._getframe().f_lineno == 3
def test_source():
    """Doc."""
    assert test_source.__doc__ == "Doc."
    assert inspect.getsource(test_line).count("\\n") == 2
    assert inspect.getsourcelines(test_line)[1] == 2
def test_message():
    x = [1, 2]
    try:
        assert x == [1, 3]
    except AssertionError as error:
        assert "At index 1 diff" in str(error)
        assert error.__traceback__.tb_lineno == 12
    else:
        assert 0
'''
    report = await run_tests({"test_l.py": text}, TestPlan(files=("test_l.py",)))
    assert set(report.statuses.values()) == {"passed"}, report.output


async def test_what_stands_in_caches_of_compiled_code_is_not_run(run_tests: RunTests) -> None:
    """Even when it is put there in the same run, by a file that is imported before."""
    stale = """
import importlib.util, os, py_compile, struct, sys
import _pytest.assertion.rewrite as rewrite
path = os.path.join(os.path.dirname(__file__), "test_a.py")
os.makedirs(os.path.join(os.path.dirname(path), "__pycache__"), exist_ok=True)
with open("evil.py", "w") as file: file.write("def test_1(): pass")
stat = os.stat(path)
for name in ("test_a" + rewrite.PYC_TAIL, os.path.basename(importlib.util.cache_from_source(path))):
    target = os.path.join(os.path.dirname(path), "__pycache__", name)
    py_compile.compile("evil.py", cfile=target)
    data = bytearray(open(target, "rb").read())
    data[8:16] = struct.pack("<LL", int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)
    open(target, "wb").write(data)
"""
    for settings in ("", "--assert=plain"):
        files = {
            "conftest.py": stale,
            "test_a.py": "def test_1(): assert 0\n",
            "pytest.ini": f"[pytest]\naddopts={settings}\n",
        }
        report = await run_tests(files, TestPlan(files=("test_a.py",)))
        assert report.statuses == {"test_a.py::test_1": "failed"}, report.output


async def test_the_current_test_is_not_told(run_tests: RunTests) -> None:
    text = "import os\ndef test_secret():\n    now = os.environ['PYTEST_CURRENT_TEST']\n"
    text += "    assert now.endswith(' (call)')\n"
    text += "    assert 'secret' not in now\n    assert 'test_c' not in now\n"
    report = await run_tests({"test_c.py": text}, TestPlan(files=("test_c.py",)))
    assert report.statuses == {"test_c.py::test_secret": "passed"}, report.output
