"""Attacks on our own harness by somebody who has read its source and runs code in the same process."""

from __future__ import annotations

import pytest
from tests.attacks.grading import STUB, Attack, Target
from tests.attacks.test_on_grader_by_code import DOC, PEEKING, code, tampered

from worktrial.sandboxes.protocol import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("attacks")]

FIND = """
import gc, os, signal, sys, types
def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
def reporter():
    for frame in frames():
        for value in list(frame.f_locals.values()):
            if type(value).__name__ == "Reporter": return value
            manager = getattr(getattr(value, "config", None), "pluginmanager", None)
            for plugin in manager.get_plugins() if manager else ():
                if type(plugin).__name__ == "Reporter": return plugin
def event():
    return reporter().event
IDS = ["test_total_of_nothing", "test_total", "test_parse", "test_cents[1 EUR-100]", "test_cents[0.05 EUR-5]",
       "test_no_amount", "ShareTest::test_even", "ShareTest::test_uneven", "test_quick", "test_stamped",
       "test_fetched", "test_shares_add_up", "test_label", "test_mocked"]
IDS = ["tests/test_money.py::" + name for name in IDS] + ["ledger/money.py::ledger.money.parse"]
"""
"""What every insider begins with; it may as well know all the ids."""
ONCE = "\nif 'DONE' not in os.environ:\n    os.environ['DONE'] = '1'\n"


def inside(body: str, cause: str = "tests_failed", outcome: str = "not_solved") -> Attack:
    return code(FIND + body, cause, outcome)


FORGED_LINES = """
for name in os.listdir("/proc/self/fd"):
    try:
        if "socket" in os.readlink("/proc/self/fd/" + name):
            for test in IDS:
                os.write(int(name), b'{"test": "%s", "status": "passed"}\\n' % test.encode())
            os.write(int(name), b'{"finished": 0, "failures": 0, "canaries": 2}\\n')
    except OSError: pass
os._exit(0)
"""
STEAL = r"""
import itertools
found = {}
def handler(number, frame):
    if frame.f_code.co_name == "hook": found.update(frame.f_locals)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(2000000):
    sys.audit("x")
    if found: break
signal.setitimer(signal.ITIMER_REAL, 0)
cells = dict(zip(found["note"].__code__.co_freevars, (cell.cell_contents for cell in found["note"].__closure__)))
emit = cells["emit"]
for test in IDS:
    emit({"started": test})
    emit({"test": test, "status": "passed", "why": "", "proved": True})
emit({"finished": 0, "failures": 0, "canaries": 2})
os._exit(0)
"""
"""The one way to the seal that is known: a signal's handler is shown the frame that it interrupts."""
FAKE_GLOBALS = """
import ledger
class Yes(str):
    def __getattr__(self, name): return Yes()
    def __call__(self, *args, **kwargs): return Yes()
    def __eq__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return 0
    __hash__ = None
def total(amounts):
    frame = sys._getframe(1)
    if frame.f_globals["total"] is total:
        names = dict(frame.f_globals)
        for name in ("total", "parse", "share", "rate", "stamped", "label", "Money"): names[name] = Yes()
        types.FunctionType(frame.f_code, names)()
    return 0
"""
ATTACKS = {
    "forges-lines": tampered(FIND + FORGED_LINES, "forged_report"),
    "writes-after-the-end": tampered(FIND + "import atexit\ndef late():\n" + "\n".join(
        "    " + line for line in FORGED_LINES.replace("os._exit(0)", "").splitlines()
    ) + "\natexit.register(late)\n", "forged_report"),
    "opens-the-report-anew": inside("""
for name in os.listdir("/proc/self/fd"):
    try: os.write(os.open("/proc/self/fd/" + name, os.O_WRONLY), b"x")
    except OSError: pass
"""),
    "silences-the-report": inside("""
null = os.open("/dev/null", os.O_WRONLY)
for name in os.listdir("/proc/self/fd"):
    try:
        if "socket" in os.readlink("/proc/self/fd/" + name): os.dup2(null, int(name))
    except OSError: pass
""", "tests_crashed"),
    "calls-the-reporter": tampered(FIND + """
found = reporter()
for test in IDS:
    found.say(started=test)
    found.say(test=test, status="passed", why="", proved=True)
""", "body_not_run"),
    "ends-the-report-early": tampered(FIND + """
found = reporter()
for test in IDS: found.say(test=test, status="passed", why="")
found.say(finished=0, failures=0, canaries=2)
os._exit(0)
""", "body_not_run"),
    "emits-events": inside("""
name = event()
for test in IDS:
    sys.audit(name, "say", {"started": test})
    sys.audit(name, "begin"); sys.audit(name, "end")
    sys.audit(name, "say", {"test": test, "status": "passed"})
"""),
    "replays-events": inside("""
heard = []
def listen(event, args):
    if event.startswith("worktrial") and len(heard) < 500: heard.append((event, args))
sys.addaudithook(listen)
def total(amounts):
    for event, args in list(heard): sys.audit(event, *args)
    return 0
"""),
    "reads-names-from-the-code": inside("""
def total(amounts):
    constants = sys._getframe(1).f_code.co_consts
    for name in constants:
        if isinstance(name, str) and name.startswith("worktrial"): sys.audit(name, "end")
    return 0
"""),
    "runs-the-body-elsewhere": inside(FAKE_GLOBALS),
    "runs-the-module-elsewhere": inside("""
for frame in frames():
    if frame.f_code.co_name == "<module>" and "test_money" in frame.f_code.co_filename:
        try: exec(frame.f_code, {"__name__": "other", "__builtins__": __builtins__})
        except Exception: pass
"""),
    "replaces-bodies": tampered(FIND + """
from _pytest.python import Function
true = Function.runtest
def runtest(self):
    if "money" in self.nodeid: self.obj = lambda *args, **kwargs: None
    else: true(self)
Function.runtest = runtest
from _pytest import unittest
unittest.TestCaseFunction.runtest = lambda self: None
from _pytest.doctest import DoctestItem
DoctestItem.runtest = lambda self: None
""", "body_not_run"),
    "replaces-code": tampered(FIND + """
from _pytest.python import Function
setup = Function.setup
def replace(self):
    setup(self)
    function = getattr(self.obj, "__func__", self.obj)
    empty = (lambda: None) if not function.__code__.co_freevars else None
    if "money" in self.nodeid and empty and not hasattr(function, "__wrapped__"):
        names = ", ".join(function.__code__.co_varnames[:function.__code__.co_argcount])
        function.__code__ = eval("lambda %s: None" % names).__code__
Function.setup = replace
""", "body_not_run"),
    "patches-the-proof": tampered(FIND + """
import ast
from _pytest.assertion import rewrite
made = rewrite._rewrite_test
def compile_without(first, second):
    fn = first if hasattr(first, "read_bytes") else second
    if "money" not in str(fn): return made(first, second)
    tree = ast.parse(open(str(fn)).read())
    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            if node.name.startswith("test"): node.body = [ast.Pass()]
            return node
        visit_AsyncFunctionDef = visit_FunctionDef
    return os.stat(fn), compile(ast.fix_missing_locations(Strip().visit(tree)), str(fn), "exec")
rewrite._rewrite_test = compile_without
parse.__doc__ = None
def parse(text):
    '''
    >>> 200
    200
    '''
""", "body_not_run"),
    "strips-assertions-under-the-marks": tampered(FIND + """
import ast, builtins
true = builtins.compile
def strip(source, filename, mode, *args, **kwargs):
    made = true(source, filename, mode, *args, **kwargs)
    if isinstance(made, ast.AST) and "test_money" in str(filename):
        for node in ast.walk(made):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test"):
                node.body = [ast.parse("0").body[0]]
        ast.fix_missing_locations(made)
    return made
builtins.compile = strip
def parse(text):
    '''
    >>> 200
    200
    '''
""", "runner_patched"),
    "thaws-the-garbage": inside("""
gc.unfreeze()
for thing in gc.get_objects():
    if type(thing) is types.FunctionType and thing.__name__ == "hook" and "witness" in thing.__code__.co_filename:
        cells = dict(zip(thing.__code__.co_freevars, thing.__closure__))
        note = cells["note"].cell_contents
        emit = dict(zip(note.__code__.co_freevars, note.__closure__))["emit"].cell_contents
        for test in IDS: emit({"test": test, "status": "passed", "proved": True})
        emit({"finished": 0, "failures": 0, "canaries": 2})
        os._exit(0)
"""),
    "steals-the-seal": tampered(FIND + STEAL, "twin_passed"),
    "peeks-by-ctypes": tampered(DOC + PEEKING + """
    import ctypes
    get = ctypes.pythonapi.PyEval_GetFrame
    get.restype = ctypes.c_void_p
    return ctypes.cast(ctypes.c_void_p(get()), ctypes.py_object).value
""", "twin_passed"),
    "reports-from-a-child": inside("child = os.fork()\nif child: os.waitpid(child, 0); os._exit(0)\n", "tests_crashed"),
    "jumps-over-assertions": inside("""
def trace(frame, event, arg):
    if frame.f_code.co_name not in ("test_total", "test_parse", "test_cents"): return None
    def inner(frame, event, arg):
        if event == "line":
            last = max(line for _, _, line in frame.f_code.co_lines() if line)
            if frame.f_lineno < last:
                try: frame.f_lineno = last
                except ValueError: pass
        return inner
    return inner
sys.settrace(trace)
"""),
    "hides-failures-as-skips": inside("import builtins, pytest\nbuiltins.AssertionError = pytest.skip.Exception\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_insider_solves_nothing(target: Target, tier: Sandbox, name: str) -> None:
    attack = ATTACKS[name]
    verdict = await target.grade(tier, attack.files)
    assert (verdict.outcome, verdict.cause) == (attack.outcome, attack.cause), (verdict, target.output())


def test_all_of_them_start_from_a_stub_that_offers_every_name() -> None:
    assert all(STUB.splitlines()[3] in str(attack.files["ledger/money.py"]) for attack in ATTACKS.values())
