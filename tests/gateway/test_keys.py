"""The canary: a key that must be nowhere but in the request to its provider."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.bench import APIS, KEY, Bench, asking
from tests.tools.model_server import Fault, ToolUse, Turn

from worktrial.formats.gateway import Api
from worktrial.gateway.bodies import read_bodies
from worktrial.gateway.redact import Redactor


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [True, False])
async def test_the_key_is_in_no_file_answer_or_log(
    bench: Bench,
    api: Api,
    stream: bool,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not even when the provider says it back: in an error, in a text, in a call, amid a stream, in pieces."""
    caplog.set_level(logging.DEBUG)
    calls = (ToolUse("shell", {"command": f"echo {KEY}"}),)
    faults = (Fault("status", status=500, message=f"refused {KEY}"), Fault("error_event", message=KEY))
    await bench.serve(Turn(f"your key is {KEY}.", calls, faults=faults), split=5)
    gateway = await bench.gateway()
    trial = bench.open(gateway)
    seen = [await bench.ask(gateway, trial, *asking(api, stream=stream)) for _ in range(3)]
    bench.server.key = "another"
    seen.append(await bench.ask(gateway, trial, *asking(api, stream=stream)))
    down = await bench.gateway(bench.config("http://127.0.0.1:9"))
    seen.append(await bench.ask(down, bench.open(down, "down/task/1"), *asking(api, stream=stream)))
    await gateway.stop()
    await down.stop()
    assert [one.status for one in seen] == [500, 200, 200, 401, 502]
    assert KEY in json.dumps([request.headers for request in bench.server.requests])
    texts = [one.body.decode() + repr(one.headers) for one in seen]
    for path in bench.folder.rglob("*"):
        if path.name == "gateway.bodies":
            texts += [body.decode() for body in read_bodies(path).values()]
        if path.is_file():
            texts.append(path.read_bytes().decode("latin-1"))
    texts += [*capfd.readouterr(), caplog.text, repr(trial), repr(gateway.failure)]
    assert not [text for text in texts if KEY in text]
    assert any("[key]" in text for text in texts)


@given(st.lists(st.sampled_from([KEY, KEY[:9], KEY[:-1], "s", "k", "-", "x", "\n", 'a"b']), max_size=12), st.data())
def test_a_key_in_pieces_never_gets_through(parts: list[str], data: st.DataObject) -> None:
    """Wherever the stream is cut; all other bytes do, in order."""
    whole = "".join(parts).encode()
    ends = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=9))})
    redactor = Redactor([KEY])
    stream = redactor.stream()
    sent = b"".join(stream.feed(whole[a:b]) for a, b in itertools.pairwise(ends)) + stream.end()
    assert sent == whole.replace(KEY.encode(), b"[key]")


@given(st.binary(max_size=60))
def test_nothing_is_held_back_of_what_cannot_be_a_key(piece: bytes) -> None:
    """An event of a stream ends in line ends, so none of it waits for the next."""
    assert Redactor([KEY]).stream().feed(piece + b"\n\n") == piece + b"\n\n"


def test_a_key_that_json_writes_otherwise_is_found_too() -> None:
    """In both of its forms."""
    key = 'sk-"quoted"\\key'
    redactor = Redactor([key])
    assert redactor.text(f"{key} {json.dumps(key)}") == '[key] "[key]"'


def test_a_placeholder_is_no_key() -> None:
    """Hiding `x` would garble ordinary words."""
    assert Redactor(["x"]).text("xylophone") == "xylophone"
