"""What was said in a trial, read back from its record: for trajectories and for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from worktrial.formats.gateway import GatewayRecord
from worktrial.gateway.reading import Reading
from worktrial.gateway.recording import read_trial
from worktrial.gateway.routing import WIRES
from worktrial.gateway.trials import GENERATING, side_requests


@dataclass(frozen=True)
class Said:
    """One request of an agent and what the model said to it."""

    record: GatewayRecord
    side: bool
    """Beside the conversation: a title, a choice of model, a commit message."""
    reading: Reading
    """Empty where nothing was answered."""


def conversation(folder: Path) -> Iterator[Said]:
    """Yield the requests for generation of a trial's folder, in the order they arrived. Raises `FormatError`."""
    records, bodies = read_trial(folder)
    side = side_requests(records)
    wires = {wire.api: wire for wire in WIRES}
    for record in records:
        if record.operation not in GENERATING:
            continue
        reading = Reading()
        body = bodies.get(record.response_body, b"")
        if body and record.api is not None and record.status is not None and record.status < 300:
            kind = record.response_headers.get("content-type", "")
            streamed = record.stream and ("json" not in kind or record.api == "gemini")
            meter = wires[record.api].meter(stream=streamed)
            meter.feed(body)
            reading = meter.finish()
        yield Said(record, record.id in side, reading)
