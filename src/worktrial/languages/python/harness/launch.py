"""Runs pytest inside a sandbox and reports what each test did. Standard library only, Python 3.8 or newer.

Not imported by worktrial: it is mounted into sandboxes and started with the interpreter of the task's environment, from
nothing or in a fork of an interpreter that has pytest imported already. The plan comes as JSON on standard input; the
report goes out as signed lines on a stream that only takes more, so that a test can never take back what was said of
it, nor add to it.
"""

import importlib
import importlib.util
import json
import os
import sys
import tempfile

RUNNER = (
    "_pytest.assertion.rewrite", "_pytest.assertion.util", "_pytest.assertion", "_pytest.config", "_pytest.fixtures",
    "_pytest.hookspec", "_pytest.logging", "_pytest.main", "_pytest.mark.structures", "_pytest.mark", "_pytest.nodes",
    "_pytest.outcomes", "_pytest.python", "_pytest.python_api", "_pytest.raises", "_pytest.recwarn", "_pytest.reports",
    "_pytest.runner", "_pytest.skipping", "_pytest.subtests", "_pytest.terminal", "_pytest.threadexception",
    "_pytest.unittest", "_pytest.unraisableexception", "_pytest._code.code", "pluggy", "pluggy._callers",
    "pluggy._hooks", "pluggy._manager", "pluggy._result", "pluggy.hooks", "pluggy.manager", "pluggy.callers",
    "unittest.case", "unittest.result", "unittest.mock", "ast", "builtins", "time",
)  # fmt: skip
"""Modules whose functions and classes have to be the same at the end as they were before the workspace's code came."""
EARLY = ("difflib", "doctest", "pprint", "unittest", "unittest.mock", "asyncio", "threading", "platform", "copy")
"""What pytest and plugins import late: taken before a file of that name in the workspace could be."""


def main():
    """Run the tests of the plan and return the exit code that pytest has for what they did, canaries left out."""
    plan = json.loads(sys.stdin.buffer.read())
    # Tests get an empty standard input, not what is left of the plan.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report_fd = int(os.environ.pop("WORKTRIAL_REPORT_FD"))
    os.set_inheritable(report_fd, False)
    here = os.path.dirname(os.path.abspath(__file__))

    # Before anything of the workspace is on the path: a `pytest.py` or a `coverage.py` there is not what we want.
    cwd = os.getcwd()
    inside = [path for path in sys.path if path in ("", here) or (os.path.abspath(path) + "/").startswith(cwd + "/")]
    sys.path[:] = [path for path in sys.path if path not in inside]
    coverage = start_coverage(plan) if plan["lines"] else None
    import pytest

    patch_as_pytest_does()
    witness, proof, reporting = (load(here, name) for name in ("witness", "proof", "reporter"))
    targets = [path for path in plan["targets"] if os.path.exists(path)]
    canary = reporting.Canary(plan["canary"], targets)
    event = plan["event"]
    prover = proof.Prover(event, lambda *found: sys_audit(event, "register", *found))
    reporter = reporting.Reporter(event, plan, coverage, canary, prover)
    proof.install(prover, targets)
    reporting.hide_current_test(plan["current_test"])
    seal(witness, report_fd, plan, cwd, {"proof": proof, "reporter": reporting})

    for root in plan["roots"]:
        sys.path.append(os.path.normpath(os.path.join(cwd, root)))
    sys.path += [path for path in inside if path not in (*sys.path, "", here)]
    # A fork may have looked at these folders before the workspace was there: times alone do not tell it apart.
    importlib.invalidate_caches()
    if plan["python_path"]:
        os.environ["PYTHONPATH"] = plan["python_path"]
    if plan["targets"] and not targets:
        return reporter.nothing_there()
    targets += canary.write()
    arguments = ["--continue-on-collection-errors", "--tb=short", "--maxfail=1000000"]
    # Not `-p no:cacheprovider`: settings of the repository may need its options to exist.
    arguments += ["-o", "cache_dir=" + tempfile.mkdtemp(prefix="pytest-cache-")]
    arguments += ["--rootdir", cwd, *neutralised(reporter), *targets]
    return reporter.finish(targets, int(pytest.main(arguments, plugins=[reporter])))


sys_audit = sys.audit


def patch_as_pytest_does():
    """Have in place what pytest 7 and newer put into their own configuration for as long as they run.

    What the witness remembers is then what it finds, with every honest suite. Where the repository has blocked
    `legacypath`, one more type of setting is understood, which nobody else could have declared.
    """
    try:
        from _pytest.config import Config
        from _pytest.legacypath import Config__getini_unknown_type
    except ImportError:
        return
    if hasattr(Config, "_getini_unknown_type"):
        Config._getini_unknown_type = Config__getini_unknown_type


def seal(witness, report_fd, plan, cwd, ours):
    """Hand the report to the witness; nothing else keeps its key or writes to its file descriptor."""
    modules = [("worktrial_" + name, module) for name, module in ours.items()]
    for name in (*EARLY, *RUNNER):
        try:
            module = importlib.import_module(name)
        except ImportError:  # of another version of pytest or pluggy
            continue
        if name in RUNNER:
            modules.append((name, module))
    harmless = {"builtins." + name for name in ("open", "print", "input", "__import__", "breakpoint", "help", "exit",
                "quit", "copyright", "credits", "license", "_")}  # fmt: skip
    snapshot = witness.take_snapshot(modules, harmless)
    # By its globals: in a fork of a warm interpreter, `__main__` is another module.
    codes = witness.code_objects(
        *globals().values(), *(one for module in ours.values() for one in vars(module).values())
    )
    key = bytes.fromhex(plan.pop("key"))
    witness.seal(report_fd, key, plan["event"], own_codes=codes, snapshot=snapshot, workspace=cwd + "/")


def load(folder, name):
    """Return a module from the file beside this one; it is not to be found by its name later."""
    spec = importlib.util.spec_from_file_location("worktrial_" + name, os.path.join(folder, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start_coverage(plan):
    """Return a running coverage measurement of the plan's files; its package is taken from the tools folder."""
    sys.path.append(plan["tools"])
    os.environ.setdefault("COVERAGE_CORE", "ctrace")  # the one that newer Pythons have cannot tell tests apart
    import coverage

    measured = coverage.Coverage(
        data_file=None,
        config_file=False,
        include=[os.path.join(os.getcwd(), path) for path in plan["lines"]],
        messages=False,
    )
    measured.start()
    return measured


def neutralised(reporter):
    """Return options that switch off plugins which would run tests elsewhere, again, or in an order of their own.

    The repository may have blocked a plugin (`-p no:xdist`): the reporter then makes its option a word without meaning.
    """
    options = []
    for module, plugin, switch in (
        ("xdist", "xdist", "--numprocesses=0"),
        ("pytest_cov", "pytest_cov", "--no-cov"),
        ("pytest_rerunfailures", "rerunfailures", "--reruns=0"),
    ):
        if importlib.util.find_spec(module) is not None:
            options.append(switch)
            reporter.switches[plugin] = switch
    for module, plugin in (("pytest_randomly", "randomly"), ("pytest_random_order", "random_order")):
        if importlib.util.find_spec(module) is not None:
            options += ["-p", "no:" + plugin]
    return options


if __name__ == "__main__":
    sys.exit(main())
