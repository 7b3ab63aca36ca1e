"""Runs pytest inside a sandbox and reports what each test did. Standard library only, Python 3.8 or newer.

Not imported by worktrial: it is mounted into sandboxes and started with the interpreter of the task's environment.
The plan comes as JSON on standard input; the report goes out as JSON lines on a pipe that only takes more, so that a
test can never take back what was said of it.
"""

import importlib.util
import json
import os
import sys


def main():
    """Run the tests of the plan and return pytest's exit code."""
    plan = json.load(sys.stdin)
    # Tests get an empty standard input, not what is left of the plan.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    report_fd = int(os.environ.pop("WORKTRIAL_REPORT_FD"))
    os.set_inheritable(report_fd, False)
    harness = sys.path.pop(0)

    coverage = start_coverage(plan) if plan["lines"] else None

    import pytest  # before anything of the workspace is on the path: a `pytest.py` there is not it

    for root in plan["roots"]:
        sys.path.append(os.path.normpath(os.path.join(os.getcwd(), root)))
    reporter = load_reporter(harness)(report_fd, plan, coverage)
    arguments = ["--continue-on-collection-errors", "-p", "no:cacheprovider", "--tb=short", "--maxfail=1000000"]
    arguments += ["--rootdir", os.getcwd(), *neutralised(), *plan["targets"]]
    return int(pytest.main(arguments, plugins=[reporter]))


def load_reporter(harness):
    """Return the Reporter class from the file beside this one, without leaving that folder on the path."""
    spec = importlib.util.spec_from_file_location("worktrial_reporter", os.path.join(harness, "reporter.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Reporter


def start_coverage(plan):
    """Return a running coverage measurement of the plan's files; its package is taken from the tools folder."""
    sys.path.append(plan["tools"])
    import coverage

    measured = coverage.Coverage(
        data_file=None,
        config_file=False,
        include=[os.path.join(os.getcwd(), path) for path in plan["lines"]],
        messages=False,
    )
    measured.start()
    return measured


def neutralised():
    """Return options that switch off plugins which would run tests elsewhere, again, or in an order of their own."""
    options = []
    for module, switches in (
        ("xdist", ["-n0"]),
        ("pytest_cov", ["--no-cov"]),
        ("pytest_randomly", ["-p", "no:randomly"]),
        ("pytest_random_order", ["-p", "no:random_order"]),
        ("pytest_rerunfailures", ["--reruns=0"]),
    ):
        if importlib.util.find_spec(module) is not None:
            options += switches
    return options


if __name__ == "__main__":
    sys.exit(main())
