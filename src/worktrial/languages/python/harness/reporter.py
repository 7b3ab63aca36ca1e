"""The pytest plugin that chooses, orders and reports tests. Loaded by `launch.py`; Python 3.8 or newer."""

import importlib.machinery
import os
import random
import sys
import time

import pytest

audit = sys.audit


class Reporter:
    """Keeps the tests of the plan, shuffles them if asked, and tells the witness of everything that happens."""

    def __init__(self, event, plan, coverage, canary, prover):
        self.event = event
        self.canary = canary
        self.prover = prover
        self.trusted_path = list(sys.path)
        self.whole_files = None if plan["everything"] else set(plan["files"])
        self.ids = set(plan["ids"])
        self.seed = plan["seed"]
        self.reverse = plan["reverse"]
        self.lines = plan["lines"]
        self.first = {file: place for place, file in enumerate(plan["first"])}
        self.stop_at = None if plan["stop_after_s"] is None else time.monotonic() + plan["stop_after_s"]
        self.coverage = coverage
        self.outcome = {}
        self.switches = {}
        self.why = {}
        self.collected = False
        self.tests = 0
        self.session = None

    def say(self, **record):
        """Have the witness write one line of the report."""
        audit(self.event, "say", record)

    def check(self):
        """Have the witness compare the runner with what it was before the workspace's code came."""
        audit(self.event, "check")

    def pytest_sessionstart(self, session):
        """Keep the session, to end it when its time is over."""
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self, early_config, parser):
        """Give options of ours that belong to a plugin which the repository has blocked a place to go."""
        for plugin, switch in self.switches.items():
            if not early_config.pluginmanager.hasplugin(plugin):
                name, _, value = switch.partition("=")
                parser.addoption(name, action="store" if value else "store_true")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        """Take back what the repository's settings say on stopping early and on running only some tests."""
        for name in ("stepwise", "lf", "failedfirst", "newfirst", "collectonly"):
            if getattr(config.option, name, False):
                setattr(config.option, name, False)
        self.prover.configure(config.getini("python_functions"))

    def nothing_there(self):
        """Report that none of the files of the plan exists, as pytest would a run without tests."""
        self.say(collected=0)
        self.say(finished=5, failures=0, canaries=0)
        return 5

    def finish(self, targets, code):
        """Report that the run came to its end, as the last line, and return its exit code.

        Files of the plan count as not importable when pytest gave up on them before it collected anything: that is
        what it does when a `conftest.py` fails, exit code 4.
        """
        if not self.collected and code == 4:
            for path in targets:
                self.say(uncollected=path)
        failures = getattr(self.session, "testsfailed", 0) - self.canary.failures
        if code == 1 and self.canary.failures and not failures:
            code = 0 if self.tests else 5
        for name in self.shadowing():
            self.say(evidence="shadowed:" + name)
        self.check()
        self.say(finished=code, failures=failures, canaries=self.canary.run)
        return code

    def shadowing(self):
        """Return modules of the workspace that stand in for others of the same name, installed or built in."""
        found, cwd = [], os.getcwd() + "/"
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if "." in name or not isinstance(file, str) or not file.startswith(cwd) or name == "conftest":
                continue
            spec = importlib.machinery.PathFinder.find_spec(name, self.trusted_path)
            if spec is not None and spec.origin not in (None, "namespace", file):
                found.append(name)
        return sorted(found)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        """Drop what the plan does not name, then shuffle."""
        if self.whole_files is not None:
            files = self.whole_files | self.canary.files
            kept = [item for item in items if item.nodeid.split("::")[0] in files or item.nodeid in self.ids]
            dropped = set(items) - set(kept)
            config.hook.pytest_deselected(items=list(dropped))
            items[:] = kept
        if self.seed is not None:
            items[:] = shuffled(items, random.Random(self.seed))
        if self.reverse:
            items.reverse()
        if self.first:
            items.sort(key=lambda item: self.first.get(item.nodeid.split("::")[0], len(self.first)))
        self.collected = True
        self.tests = sum(item.nodeid.split("::")[0] not in self.canary.files for item in items)
        self.say(collected=len(items))
        self.check()

    def pytest_collectreport(self, report):
        """Report files that could not be imported, and files that skip themselves whole."""
        if report.failed:
            self.say(uncollected=report.nodeid.split("::")[0])
        elif report.skipped:
            self.say(skipped_file=report.nodeid.split("::")[0])

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item, call):
        """Remember what kind of exception ended the test; that of a TestCase is known only afterwards."""
        yield
        if call.excinfo is not None:
            self.why.setdefault(item.nodeid, call.excinfo.typename)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid, location):
        """Say which test is running, in case it never ends, and measure coverage under its name."""
        self.outcome[nodeid] = None
        self.say(started=nodeid)
        if self.coverage is not None:
            self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        """Remember the worst of the test's phases."""
        if report.failed:
            self.canary.failures += report.nodeid.split("::")[0] in self.canary.files
        if report.when == "teardown":
            if report.failed:
                self.outcome[report.nodeid] = "error"
        elif report.when == "setup":
            if not report.passed:
                self.outcome[report.nodeid] = status(report)
        elif self.outcome.get(report.nodeid) != "failed":  # subtests report before the test does, and it may pass
            self.outcome[report.nodeid] = status(report)

    def pytest_runtest_logfinish(self, nodeid, location):
        """Report how the test ended."""
        if self.coverage is not None:
            self.coverage.switch_context("")
        self.say(test=nodeid, status=self.outcome.get(nodeid) or "error", why=self.why.pop(nodeid, ""))
        self.canary.run += nodeid.split("::")[0] in self.canary.files
        if self.stop_at is not None and time.monotonic() > self.stop_at:
            self.session.shouldstop = "out of time"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session, exitstatus):
        """Report coverage."""
        if self.coverage is not None:
            self.coverage.stop()
            data = self.coverage.get_data()
            for path, wanted in self.lines.items():
                by_line = data.contexts_by_lineno(os.path.join(os.getcwd(), path))
                tests = {}
                for line in wanted:
                    for test in by_line.get(line, ()):
                        if test:
                            tests.setdefault(test, []).append(line)
                self.say(covered=path, tests=tests)


class Canary:
    """Tests that must not pass, among the others and looking like them; their names are of this run alone."""

    def __init__(self, plan, targets):
        self.path = os.path.join(os.path.dirname(targets[0]), plan["name"]) if targets and plan else ""
        self.text = plan["text"] if plan else ""
        self.files = set()
        self.failures = 0
        self.run = 0

    def write(self):
        """Write the file and return its path in a list, or none where there is no place for it."""
        if not self.path or os.path.lexists(self.path):
            return []
        try:
            with open(self.path, "x") as file:
                file.write(self.text)
        except OSError:
            return []
        old = os.stat(os.path.dirname(self.path) or ".").st_mtime
        os.utime(self.path, (old, old))
        self.files.add(self.path)
        return [self.path]


def hide_current_test(value):
    """Have `PYTEST_CURRENT_TEST` be there, as libraries look for it, without telling which test it is."""
    from _pytest import runner

    def update_current_test_var(item, when):  # noqa: ARG001 - as pytest calls it
        if when:
            os.environ["PYTEST_CURRENT_TEST"] = "%s (%s)" % (value, when)
        else:
            os.environ.pop("PYTEST_CURRENT_TEST", None)

    runner._update_current_test_var = update_current_test_var


def status(report):
    """Return the status of one phase of a test."""
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.failed:
        return "error" if report.when == "setup" else "failed"
    return "skipped" if report.skipped else "passed"


def shuffled(items, rng):
    """Return the items with files, classes and functions in random order, each still together.

    Fixtures of module or class scope stay as cheap as they were; what depends on the order is still found out.
    """
    groups = {}
    for item in items:
        parts = item.nodeid.split("::")
        groups.setdefault(parts[0], {}).setdefault(tuple(parts[1:-1]), []).append(item)
    files = list(groups)
    rng.shuffle(files)
    result = []
    for file in files:
        classes = list(groups[file])
        rng.shuffle(classes)
        for name in classes:
            members = groups[file][name]
            rng.shuffle(members)
            result += members
    return result
