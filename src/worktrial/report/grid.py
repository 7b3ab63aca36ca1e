"""The table of all tasks by all agents. Its thousands of marks are written by hand: it is most of the first page."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Literal
from urllib.parse import quote

from markupsafe import Markup, escape

from worktrial.analyse.summary import GRADED, Outcome, RunSummary, TrialRow
from worktrial.pages.text import plain
from worktrial.report.landed import Landed
from worktrial.report.live import NOT_LIVE, UNDER_WAY, Live
from worktrial.report.render import Links

MARKS: dict[Outcome, tuple[str, str]] = {
    "solved": ("\N{CHECK MARK}", "solved"),
    "not_solved": ("\N{MULTIPLICATION X}", "not solved"),
    "tampered": ("\N{WARNING SIGN}", "tampered with: counts as not solved"),
    "infrastructure": ("!", "infrastructure failure"),
    "ungraded": ("?", "not graded"),
    "unfinished": ("\N{EN DASH}", "not finished"),
}
"""Sign and words of an outcome; never told apart by colour alone."""

Agreement = Literal["differ", "all", "none", "some", "open"]
"""What contenders made of a task. *differ*: they solved different shares of it; *all*, *none*: every graded trial was
solved, or none; *some*: all solved the same share; *open*: nothing is graded."""

_NONE = "\N{EN DASH}"
_SHOWS = {
    "differ": "tasks that agents differ on",
    "any": "all tasks",
    "all": "solved by every agent, every time",
    "none": "solved by no agent",
    "some": "solved as often by each",
    "open": "not graded yet",
}


def mark(row: TrialRow, links: Links, *, here: bool = False, live: Live = NOT_LIVE) -> Markup:
    """Return a trial's sign, linked to its page where there is one; `here`: it is the page the sign is on."""
    kind, sign, words = _shown(row, live)
    if kind == "unfinished":
        return Markup('<span class="m unfinished" title="not finished">{}</span>').format(sign)
    # By hand, for there may be thousands on the first page.
    address = escape(links.trial(row.agent, row.task, row.n))
    current = ' aria-current="page"' if here else ""
    html = f'<a class="m {kind}" href="{address}" aria-label="trial {row.n}: {words}"{current}>{sign}</a>'
    return Markup(html)  # noqa: S704  # its one foreign part was escaped above


class Grid:
    """The tasks in the order of the run, with a cell per agent in the order of the first page."""

    def __init__(self, summary: RunSummary, landed: Landed, links: Links, live: Live = NOT_LIVE) -> None:
        self._live = live
        self._summary = summary
        self._landed = landed
        self._links = links
        self._agents = [*summary.contenders, *summary.controls]
        cells: dict[str, dict[str, list[TrialRow]]] = defaultdict(lambda: defaultdict(list))
        for row in summary.rows:
            cells[row.task][row.agent].append(row)
        self._cells = cells
        self._agreements = {task: self._agreement(task) for task in summary.request.tasks}

    def shows(self) -> list[tuple[str, str, int]]:
        """Return what can be shown alone: its value, words, and number of tasks. The first is shown at first."""
        counts: Counter[str] = Counter(self._agreements.values())
        listed = [
            (value, words, len(self._agreements) if value == "any" else counts[value])
            for value, words in _SHOWS.items()
        ]
        kept = [one for one in listed if one[2] or one[0] == "any"]
        return kept if counts["differ"] else sorted(kept, key=lambda one: one[0] != "any")

    def rows(self) -> Markup:
        """Return the rows of the table."""
        labels = [
            f'<td role="cell" data-label="{escape(plain(agent.name))}"{" class=control" if agent.control else ""}>'
            for agent in self._agents
        ]
        folders = [f"{self._links.root}trials/{quote(agent.name, safe='')}/" for agent in self._agents]
        return Markup("\n".join(self._row(task, labels, folders) for task in self._summary.request.tasks))  # noqa: S704

    def _row(self, task: str, labels: list[str], folders: list[str]) -> str:
        title, facts = self._landed.title(task), self._landed.facts(task)
        said = [str(word).replace("_", " ") for word in (facts.kind, facts.difficulty, facts.language) if word]
        name = escape(plain(task))
        small = " \N{MIDDLE DOT} ".join([*([str(name)] if title else []), *(str(escape(plain(word))) for word in said)])
        page = quote(task, safe="")
        cells = "".join(
            f"{label}{_cell(self._cells[task][agent.name], folder + page, self._live)}"
            for agent, label, folder in zip(self._agents, labels, folders, strict=True)
        )
        return (
            f'<tr role="row" data-d="{self._agreements[task]}"><th role="rowheader" scope="row">'
            f'<a href="{escape(self._links.task(task))}">{escape(plain(title)) or name}</a>'
            f"{small and f'<small>{small}</small>'}</th>{cells}</tr>"
        )

    def _agreement(self, task: str) -> Agreement:
        found = [_share(self._cells[task][agent.name]) for agent in self._summary.contenders]
        shares = {share for share in found if share is not None}
        if not shares:
            return "open"
        if len(shares) > 1:
            return "differ"
        only = shares.pop()
        return "all" if only == 1 else "none" if only == 0 else "some"


def _shown(row: TrialRow, live: Live) -> tuple[str, str, str]:
    """Return class, sign and words of a trial."""
    if live.at_work_on(row):
        return ("under_way", *UNDER_WAY)
    return (row.outcome, *MARKS[row.outcome])


def _cell(rows: list[TrialRow], folder: str, live: Live) -> str:
    """Return how many of its graded trials an agent solved, and a mark for each trial."""
    graded = solved = 0
    marks = []
    for row in rows:
        kind, sign, words = _shown(row, live)
        if row.outcome in GRADED:
            graded += 1
            solved += row.outcome == "solved"
        if kind == "unfinished":
            marks.append(f'<span class="m unfinished" title="{words}">{sign}</span>')
        else:
            label = f"trial {row.n}: {words}"
            marks.append(f'<a class="m {kind}" href="{folder}/{row.n}.html" aria-label="{label}">{sign}</a>')
    return f'<span class="k">{f"{solved}/{graded}" if graded else _NONE}</span> {"".join(marks)}'


def _share(rows: list[TrialRow]) -> float | None:
    graded = [row.outcome == "solved" for row in rows if row.outcome in GRADED]
    return sum(graded) / len(graded) if graded else None
