"""Secrets and people in what an attempt leaves for people to read: its trajectory, logs, and why it ended.

The patch is graded and the gateway's record is replayed; both stay to the byte. What tests print is `grade`'s.
"""

from __future__ import annotations

import json
from pathlib import Path

from worktrial.formats.redaction import Redaction
from worktrial.formats.trajectory import Trajectory
from worktrial.redaction.people import Identities, KnownNames
from worktrial.redaction.redactor import Redactor
from worktrial.store.files import write_bytes, writing
from worktrial.store.run import TrialDir


def redact_trial(trial_dir: TrialDir, trajectory: Trajectory | None, detail: str = "") -> tuple[Trajectory | None, str]:
    """Redact a trial's logs where they lie, and return its trajectory and its `detail` redacted.

    What was replaced is listed beside. Names of people are known only where an address tells them. Raises
    `StorageError`.
    """
    redactor = Redactor(KnownNames(Identities.of_machine()))
    if trajectory is not None:
        told = redactor.json(trajectory.model_dump(mode="json"), "trajectory.json")
        trajectory = Trajectory.model_validate(told)
    for path in sorted(trial_dir.logs.rglob("*")):
        if path.is_file() and not path.is_symlink():
            _redact_file(path, path.relative_to(trial_dir.path).as_posix(), redactor)
    detail = redactor.text(detail, "trial.json")
    trial_dir.redactions.replace(
        Redaction(of=trial_dir.name, where=item.where, kind=item.kind, count=item.count) for item in redactor.found()
    )
    return trajectory, detail


def _redact_file(path: Path, name: str, redactor: Redactor) -> None:
    with writing(path):
        data = path.read_bytes()
    if b"\0" in data[:8000]:
        return  # a database of an agent's own
    lines = data.split(b"\n")
    is_json = path.suffix in (".json", ".jsonl")
    redacted = b"\n".join(_line(line, name, redactor) for line in lines) if is_json else redactor.data(data, name)
    if redacted != data:
        write_bytes(path, redacted)


def _line(line: bytes, name: str, redactor: Redactor) -> bytes:
    """Return a line of JSON redacted in its strings, where it is whole: an escape before an address is none of it."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return redactor.data(line, name)
    redacted = redactor.json(value, name)
    return line if redacted == value else json.dumps(redacted, ensure_ascii=False).encode("utf-8", "surrogatepass")
