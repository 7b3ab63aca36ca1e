"""The record: whole whatever happens, and small."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gateway.bench import KEY, Bench, asking
from tests.tools.model_server import Fault, Turn, Usage

from worktrial.errors import FormatError
from worktrial.formats.gateway import GatewayRecord, RequestBegun
from worktrial.gateway.bodies import BodyStore, read_bodies
from worktrial.gateway.recording import OPEN, RECORDS, Recorder, read_records, read_trial

AT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def record(identifier: str) -> GatewayRecord:
    return GatewayRecord(format="worktrial/gateway@1", id=identifier, at=AT, trial="a/t/1", outcome="answered")


def begun(identifier: str) -> RequestBegun:
    return RequestBegun(
        id=identifier,
        at=AT,
        api="openai_chat",
        operation="chat",
        path="/v1/chat/completions",
        upstream="up",
        provider="openai",
        request_model="m",
        stream=True,
        body_bytes=9,
        tools_offered=1,
    )


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.binary(max_size=3000), st.sampled_from(["", "a", "b"])), max_size=8),
    st.lists(st.tuples(st.integers(0, 9000), st.binary(max_size=50)), max_size=8),
)
def test_bodies_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[bytes, str]], edits: list[tuple[int, bytes]]
) -> None:
    """Whatever they have in common: unlike ones, and a conversation that grows and changes."""
    path = tmp_path_factory.mktemp("bodies") / "gateway.bodies"
    store = BodyStore(path)
    grown = hashlib.sha256(b"x").digest() * 100
    for place, text in edits:
        grown = grown[: place % len(grown)] + text + grown[place % len(grown) :]
        bodies.append((grown, "a"))
    digests = [store.add(data, kind) for data, kind in bodies]
    store.close()
    found = read_bodies(path)
    assert [found[digest] for digest in digests] == [data for data, _ in bodies]
    assert digests == [hashlib.sha256(data).hexdigest() for data, _ in bodies]


def test_a_conversation_takes_little_more_than_its_end(tmp_path: Path) -> None:
    """A hundred requests of a conversation of 300 KB: below its own length."""
    store = BodyStore(tmp_path / "b")
    text = "".join(hashlib.sha256(str(i).encode()).hexdigest() for i in range(4700))
    for i in range(100):
        messages = [{"role": "user", "content": text[: (i + 1) * 3000]}]
        store.add(json.dumps({"model": "m", "messages": messages, "tools": ["a tool"] * 20}).encode(), "chat")
    assert len(read_bodies(tmp_path / "b")) == 100
    assert (tmp_path / "b").stat().st_size < 300_000


def test_a_torn_body_is_dropped_and_the_file_goes_on(tmp_path: Path) -> None:
    """As a kill amid a write leaves it."""
    path = tmp_path / "b"
    store = BodyStore(path)
    first, second = store.add(b"one" * 50), store.add(b"two" * 50)
    store.close()
    whole = path.read_bytes()
    for cut in range(len(whole) // 2 + 5, len(whole)):
        path.write_bytes(whole[:cut])
        assert first in read_bodies(path)
        store = BodyStore(path)
        third = store.add(b"three" * 50)
        store.close()
        assert set(read_bodies(path)) - {second} == {first, third}


def test_a_damaged_body_is_told(tmp_path: Path) -> None:
    """A flipped byte is no body."""
    path = tmp_path / "b"
    BodyStore(path).add(b"one" * 50)
    data = bytearray(path.read_bytes())
    data[-6] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="damaged"):
        read_bodies(path)


def test_what_a_dead_gateway_had_under_way_is_recorded(tmp_path: Path) -> None:
    """Once; ids go on behind it, torn lines are dropped."""
    recorder = Recorder(tmp_path, "a/t/1")
    for identifier in (recorder.next_id(), recorder.next_id(), recorder.next_id()):
        recorder.begin(begun(identifier))
    recorder.end(record("r00002"))
    with (tmp_path / RECORDS).open("ab") as file:
        file.write(b'{"torn')
    with (tmp_path / OPEN).open("ab") as file:
        file.write(b'{"torn')
    again = Recorder(tmp_path, "a/t/1")
    found = {one.id: one.outcome for one in read_records(tmp_path)}
    assert found == {"r00002": "answered", "r00001": "gateway_killed", "r00003": "gateway_killed"}
    assert again.next_id() == "r00004"
    again.close()
    assert not (tmp_path / OPEN).exists()
    assert len(Recorder(tmp_path, "a/t/1").earlier) == 3


def test_a_record_that_is_no_record_is_told(tmp_path: Path) -> None:
    """With its line."""
    (tmp_path / RECORDS).write_text('{"format": "worktrial/gateway@2"}\n')
    with pytest.raises(FormatError, match="line 1"):
        list(read_records(tmp_path))


async def test_the_bodies_are_what_was_sent_and_received(bench: Bench) -> None:
    """By the hashes in the record."""
    gateway, trial = await bench.trial(Turn("hello"))
    path, body = asking("openai_chat", stream=True)
    got = await bench.ask(gateway, trial, path, body)
    records, bodies = read_trial(trial.meter.folder)
    assert bodies[records[0].response_body] == got.body
    assert json.loads(bodies[records[0].request_body]) == body
    assert json.loads(bodies[records[0].sent_body]) == bench.server.requests[0].body


@pytest.mark.slow
async def test_killing_the_gateway_loses_no_request(bench: Bench) -> None:
    """A program of its own, killed amid the work of many agents: all that the provider saw is in the record."""
    server = await bench.serve(*(Turn("hi", faults=(Fault("slow", seconds=0.01),), usage=Usage(100, 10)),) * 1)
    config = bench.folder / "worktrial.toml"
    config.write_text(f'[gateway.upstreams.up]\nbase_url = "{server.url}/v1"\napis = ["openai_chat"]\nkey_env = "UP"\n')
    out = bench.folder / "run"
    named = [word for n in (1, 2, 3) for word in ("--trial", f"agent/task/{n}")]
    argv = [sys.executable, "-m", "worktrial", "gateway", "--config", str(config), "--out", str(out), "--json", *named]
    env = {**os.environ, "UP": KEY}

    async def start() -> tuple[asyncio.subprocess.Process, dict[str, str]]:
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, env=env)
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        return process, {trial["trial"]: trial["url"] for trial in ready["trials"]}

    async def work(url: str) -> None:
        path, body = asking("openai_chat")
        for i in range(10_000):
            body["messages"][0]["content"] = f"{url} {i}"
            async with bench.session.post(url + path, json=body) as response:
                await response.read()

    process, urls = await start()
    working = [asyncio.create_task(work(url)) for url in urls.values()]
    while len(server.requests) < 60:  # noqa: ASYNC110 - the server is no part of the test's own code
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    for outcome in await asyncio.gather(*working, return_exceptions=True):
        assert isinstance(outcome, aiohttp.ClientError)
    process, again = await start()
    assert {trial: url.rsplit("/", 1)[1] for trial, url in again.items()} == {
        trial: url.rsplit("/", 1)[1] for trial, url in urls.items()
    }
    async with bench.session.post(again["agent/task/1"] + "/v1/chat/completions", json=asking("openai_chat")[1]) as got:
        assert got.status == 200
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    records = [record for n in (1, 2, 3) for record in bench.records(f"agent/task/{n}")]
    killed = sum(record.outcome == "gateway_killed" for record in records)
    answered = sum(record.outcome == "answered" for record in records)
    assert killed <= 3
    assert answered + killed == len(records)
    # Of those under way some may not have reached the provider yet.
    assert len(server.requests) <= len(records) <= len(server.requests) + killed
    assert all(record.input_tokens == 100 for record in records if record.outcome == "answered")
