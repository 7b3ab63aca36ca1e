"""Runs pytest inside a sandbox and reports what each test did. Standard library only, Python 3.8 or newer.

Not imported by worktrial: it is mounted into sandboxes and started with the interpreter of the task's environment.
The plan comes as JSON on standard input; the report goes out as JSON lines on a pipe that only takes more, so that a
test can never take back what was said of it.
"""

import importlib.util
import json
import os
import sys
import tempfile


def main():
    """Run the tests of the plan and return pytest's exit code."""
    plan = json.load(sys.stdin)
    # Tests get an empty standard input, not what is left of the plan.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report_fd = int(os.environ.pop("WORKTRIAL_REPORT_FD"))
    os.set_inheritable(report_fd, False)
    harness = sys.path.pop(0)

    # Before anything of the workspace is on the path: a `pytest.py` or a `coverage.py` there is not what we want.
    inside = [path for path in sys.path if os.path.abspath(path).startswith(os.getcwd())]
    sys.path[:] = [path for path in sys.path if path not in inside]
    coverage = start_coverage(plan) if plan["lines"] else None

    import pytest

    for root in plan["roots"]:
        sys.path.append(os.path.normpath(os.path.join(os.getcwd(), root)))
    sys.path += [path for path in inside if path not in sys.path]
    reporter = load_reporter(harness)(report_fd, plan, coverage)
    targets = [path for path in plan["targets"] if os.path.exists(path)]
    if plan["targets"] and not targets:
        return reporter.nothing_there()
    arguments = ["--continue-on-collection-errors", "--tb=short", "--maxfail=1000000"]
    # Not `-p no:cacheprovider`: settings of the repository may need its options to exist.
    arguments += ["-o", "cache_dir=" + tempfile.mkdtemp(prefix="pytest-cache-")]
    arguments += ["--rootdir", os.getcwd(), *neutralised(reporter), *targets]
    code = int(pytest.main(arguments, plugins=[reporter]))
    reporter.account_for(targets, code)
    return code


def load_reporter(harness):
    """Return the Reporter class from the file beside this one, without leaving that folder on the path."""
    spec = importlib.util.spec_from_file_location("worktrial_reporter", os.path.join(harness, "reporter.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Reporter


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
