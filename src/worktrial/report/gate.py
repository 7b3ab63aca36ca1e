"""What the gate found, for the pages of CI servers: JUnit XML and a Markdown summary."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from worktrial.analyse.contest import Contest, Flip
from worktrial.analyse.judgement import Judgement
from worktrial.analyse.words import count, percent
from worktrial.pages.text import visible

_SIGNS = {
    "pass": "\N{WHITE HEAVY CHECK MARK}",
    "regress": "\N{CROSS MARK}",
    "inconclusive": "\N{WHITE QUESTION MARK ORNAMENT}",
}
_MOST_FLIPS = 20
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&@])")


@dataclass(frozen=True)
class Gated:
    """A judgement and whom it is about."""

    judgement: Judgement
    labels: tuple[str, str]
    """Names of baseline and run, as shown."""
    contest: Contest
    warnings: tuple[str, ...]


def junit(gated: Gated) -> bytes:
    """Return JUnit XML: a test case per check, failed when it regressed and an error when nothing could be told."""
    judgement = gated.judgement
    verdicts = [check.verdict for check in judgement.checks]
    faults = len(judgement.faults)
    suite = ET.Element(
        "testsuite",
        name="worktrial gate",
        tests=str(len(verdicts) + faults),
        failures=str(verdicts.count("regress")),
        errors=str(verdicts.count("inconclusive") + faults),
        skipped="0",
    )
    for check in judgement.checks:
        case = ET.SubElement(suite, "testcase", classname="worktrial.gate", name=_xml(check.name), time="0")
        text = _xml("\n".join(filter(None, (check.said, check.remedy))))
        if check.verdict == "pass":
            ET.SubElement(case, "system-out").text = text
        else:
            tag = "failure" if check.verdict == "regress" else "error"
            ET.SubElement(case, tag, type=check.verdict, message=_xml(check.said)).text = text
    for number, fault in enumerate(judgement.faults, 1):
        case = ET.SubElement(suite, "testcase", classname="worktrial.gate", name=f"fault {number}", time="0")
        ET.SubElement(case, "error", type="inconclusive", message=_xml(fault)).text = _xml(fault)
    said = "\n".join([_title(gated), *judgement.caveats, *gated.warnings, *_changes(gated.contest)])
    ET.SubElement(suite, "system-out").text = _xml(said)
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True))


def markdown(gated: Gated) -> str:
    """Return a summary in GitHub's Markdown; names of agents and tasks in it are plain text whatever they hold."""
    judgement = gated.judgement
    lines = [
        f"## {_SIGNS[judgement.verdict]} {_text(_title(gated))}",
        "",
        "| | check | found |",
        "|---|---|---|",
        *(
            f"| {_SIGNS[check.verdict]} {check.verdict} | {_text(check.name)} | {_text(check.said)}"
            f"{f'<br>{_text(check.remedy)}' if check.remedy else ''} |"
            for check in judgement.checks
        ),
        "",
        *(f"- **{_text(fault)}**" for fault in judgement.faults),
        *(f"- {_text(said)}" for said in (*judgement.caveats, *gated.warnings)),
    ]
    if judgement.verdict == "inconclusive" and judgement.more_trials:
        lines.append(f"- About **{count(judgement.more_trials, 'more trial')}** would settle it.")
    for title, flips in (("Solved less often", gated.contest.lost), ("Solved more often", gated.contest.gained)):
        lines += _flips(title, flips)
    return "\n".join(lines).rstrip() + "\n"


def _title(gated: Gated) -> str:
    return f"{gated.judgement.verdict}: {gated.labels[1]} against {gated.labels[0]}"


def _changes(contest: Contest) -> list[str]:
    return [
        f"{flip.task}: solved {percent(flip.first)} of trials, then {percent(flip.second)}"
        for flip in (*contest.lost, *contest.gained)
    ]


def _flips(title: str, flips: tuple[Flip, ...]) -> list[str]:
    if not flips:
        return []
    rows = [f"| {_text(flip.task)} | {percent(flip.first)} | {percent(flip.second)} |" for flip in flips[:_MOST_FLIPS]]
    more = [f"\n… and {len(flips) - _MOST_FLIPS} more"] if len(flips) > _MOST_FLIPS else []
    head = f"<details><summary>{title}: {count(len(flips), 'task')}</summary>"
    return ["", head, "", "| task | baseline | run |", "|---|---|---|", *rows, *more, "", "</details>"]


def _text(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    return _MARKUP.sub(r"\\\1", visible(" ".join(text.split()))).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _xml(text: str) -> str:
    """Return text without what XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", visible(text))
