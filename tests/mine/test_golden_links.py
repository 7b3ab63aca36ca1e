"""Logs that real agents wrote, linked to a repository in which the same was done: what was asked of what landed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.mine.sessions import linking
from tests.sessions.record.world import FILES
from tests.sessions.test_golden import CASES, materialise, sessions

from worktrial.formats.provenance import Provenance
from worktrial.formats.session import Session
from worktrial.mine.asked import Asked
from worktrial.mine.filters import Reason
from worktrial.mine.provenance import provenance

ASKED = {
    "single": slice(0, 1), "multi": slice(0, 2), "rejected": slice(0, 2), "changed": slice(0, 1), "quiet": slice(0, 1),
    "amend": slice(0, 2), "squash": slice(0, 2), "by_hand": slice(0, 1), "own commits": slice(1, 2),
}  # fmt: skip
"""Which of a scenario's prompts led to what it left as HEAD; that to commit both in one did not.

*own commits*: aider makes one for each prompt.
"""


@dataclass(frozen=True)
class Done:
    """A scenario that was done again, and what came of linking it."""

    name: str
    prompts: list[str]
    asked: Asked | Reason
    """Of HEAD."""
    provenance: Provenance | None


class Shop:
    """The repository of the scenarios, done again: the same edits and commands, at the times of the log."""

    def __init__(self, path: Path, session: Session) -> None:
        self.path = path
        self.session = session
        path.mkdir()
        for name, text in FILES.items():
            (path / name).write_text(text)
        self.start = start = str(session.started_at)
        self.run("git init -q -b main && git add . && git commit -qm Greet", start)

    def run(self, command: str, at: str) -> str:
        """Run a command line."""
        who = {f"GIT_{one}_{what}": "dev@example.com" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        who |= {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at, "PATH": "/usr/bin:/bin", "HOME": str(self.path.parent)}
        done = subprocess.run(["sh", "-c", command], cwd=self.path, env=who, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def do(self, turns: list[dict[str, Any]]) -> dict[str, str]:
        """Do what the turns did, and return the ids of the commits of the log as they are here."""
        ids: dict[str, str] = {}
        for turn, said in zip(turns, self.session.turns, strict=True):
            at = str(max((commit.at for commit in said.commits if commit.at), default=said.at or self.start))
            for edit in turn["edits"]:
                if edit["outcome"] != "rejected":
                    file = self.path / edit["path"]
                    old, new = "\n".join(edit["removed"]), "\n".join(edit["written"] or edit["added"])
                    file.write_text(file.read_text().replace(old, new))
            made = [self._own_commit(commit, at) for commit in turn["commits"] if self._by_itself(turn, commit)]
            for command in turn["commands"]:
                self.run(command, at)
                if "commit" in command:
                    made.append(self.run("git rev-parse HEAD", at))
            ids.update(zip((commit["sha"] for commit in turn["commits"]), made, strict=True))
            if hand := turn.get("by_hand"):
                file = self.path / hand["path"]
                file.write_text(file.read_text().replace(hand["old"], hand["new"]))
        return ids

    def _by_itself(self, turn: dict[str, Any], commit: dict[str, str]) -> bool:
        """Whether the agent made a commit of its own: aider does, before anything is run, and all others run git."""
        run = sum("commit" in command for command in turn["commands"])
        return commit in turn["commits"][: len(turn["commits"]) - run]

    def _own_commit(self, commit: dict[str, str], at: str) -> str:
        self.run(f"git commit -qam '{commit['subject']}'", at)
        return self.run("git rev-parse HEAD", at)


def with_ids(session: Session, ids: Mapping[str, str]) -> Session:
    """Return a session whose commits are those of the repository done again."""

    def new(sha: str) -> str:
        return next((made[: len(sha)] for old, made in ids.items() if old.startswith(sha)), sha)

    turns = tuple(
        turn.model_copy(update={"commits": tuple(one.model_copy(update={"sha": new(one.sha)}) for one in turn.commits)})
        for turn in session.turns
    )
    return session.model_copy(update={"turns": turns})


@pytest.fixture(params=[case for case in CASES if case.name in ASKED], ids=lambda case: "-".join(case.parts[-3:]))
def done(request: pytest.FixtureRequest, tmp_path: Path) -> Done:
    """Return the scenario's name, its prompts, and what was linked."""
    case: Path = request.param
    turns = json.loads((case / "expected.json").read_text("utf-8"))["turns"]
    [session] = sessions(case, materialise(case, tmp_path))
    shop = Shop(tmp_path / "done", session)
    ids = shop.do(turns)
    head = shop.run("git rev-parse HEAD", str(session.started_at))
    linked, asked = linking(shop.path, with_ids(session, ids))
    landed = linked.commits[head].committed_at
    name = "own commits" if case.parts[-3] == "aider" and case.name == "multi" else case.name
    return Done(name, [turn["prompt"] for turn in turns], asked.of(head), provenance(linked, head, (), landed))


def test_what_landed_is_linked_and_asked_with_the_prompts_that_led_to_it(done: Done) -> None:
    assert done.provenance is not None
    [link] = done.provenance.links
    assert link.reason in ("recorded_commit", "printed_commit")
    assert link.confidence > 0.7
    assert isinstance(done.asked, Asked)
    assert done.asked.prompts == tuple(done.prompts[ASKED[done.name]])
    wrote = (done.provenance.agent_lines, done.provenance.changed_lines, done.provenance.human_lines)
    landed = 2 if done.name in ("multi", "amend", "squash") else 1
    assert wrote == ((0, 1, 0) if done.name in ("changed", "by_hand") else (landed, 0, 0))
