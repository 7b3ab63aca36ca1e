"""Results in JUnit's XML, for whoever reads test results already."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from worktrial.formats.task import Task
from worktrial.formats.verdict import Verdict
from worktrial.languages.protocol import TestReport

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


def junit_xml(task: Task, report: TestReport, verdict: Verdict) -> bytes:
    """Return the outcome of every expected test as a JUnit test suite; of a tampered run no test counts as passed."""
    expected = task.tests.all()
    suite = ET.Element("testsuite", name=task.id, tests=str(len(expected)), time=f"{report.wall_s:.3f}")
    failures = 0
    for test in expected:
        file, _, name = test.partition("::")
        case = ET.SubElement(suite, "testcase", classname=_clean(file), name=_clean(name or file))
        status = report.statuses.get(test) or report.statuses.get(file) or "missing"
        if verdict.outcome == "tampered":
            failures += 1
            message = f"tampered: {verdict.cause}: {verdict.detail}"
            ET.SubElement(case, "failure", type="tampered", message=_clean(message))
        elif status != "passed":
            # A skipped one too: it was expected to pass.
            failures += 1
            ET.SubElement(case, "failure", message=status)
    suite.set("failures", str(failures))
    output = ET.SubElement(suite, "system-out")
    output.text = _clean(report.output)
    return bytes(ET.tostring(suite, encoding="utf-8", xml_declaration=True))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
