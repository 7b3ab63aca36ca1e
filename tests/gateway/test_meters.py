"""Reading answers: the same whatever the pieces they come in, and never an exception."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateway.bench import APIS
from tests.tools.model_server.anthropic_messages import AnthropicMessages
from tests.tools.model_server.gemini import Gemini
from tests.tools.model_server.openai_chat import OpenAIChat
from tests.tools.model_server.openai_responses import OpenAIResponses
from tests.tools.model_server.script import ToolUse, Turn, Usage
from tests.tools.model_server.server import _as_array
from tests.tools.model_server.wire import Asked
from tests.tools.model_server.wire import Wire as ServerWire

from worktrial.formats.gateway import Api
from worktrial.gateway.pieces import Elements, Events
from worktrial.gateway.reading import Reading, Tokens, Wire
from worktrial.gateway.routing import WIRES

SERVERS: dict[Api, ServerWire] = {
    "openai_chat": OpenAIChat(),
    "openai_responses": OpenAIResponses(),
    "anthropic_messages": AnthropicMessages(),
    "gemini": Gemini(),
}
ASKED = Asked("m", stream=True, tools=(), prompt="", index=0)
BODY: dict[str, Any] = {"stream_options": {"include_usage": True}}
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
TURNS = st.builds(
    Turn,
    text=TEXT,
    calls=st.lists(
        st.builds(ToolUse, name=st.sampled_from(["shell", "edit"]), arguments=st.dictionaries(TEXT, TEXT, max_size=3)),
        max_size=3,
    ).map(tuple),
    usage=st.builds(
        Usage, st.integers(1000, 9999), st.integers(100, 999), st.integers(0, 500), st.integers(0, 500), st.just(7)
    ),
)


def wire(api: Api) -> Wire:
    return next(one for one in WIRES if one.api == api)


def cut_up(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(ends)]


def read(api: Api, pieces: list[bytes], *, stream: bool) -> Reading:
    meter = wire(api).meter(stream=stream)
    for piece in pieces:
        meter.feed(piece)
    return meter.finish()


def tokens(api: Api, used: Usage) -> Tokens:
    """Return what a meter should read: not every protocol tells everything."""
    written = used.cache_write if api == "anthropic_messages" else 0
    reasoning = None if api == "anthropic_messages" else used.reasoning
    return Tokens(used.input, used.output, used.cache_read, written, reasoning=reasoning)


@pytest.mark.parametrize("api", APIS)
@given(turn=TURNS, places=st.lists(st.integers(0, 10**6), max_size=30))
def test_a_stream_reads_the_same_whatever_its_pieces(api: Api, turn: Turn, places: list[int]) -> None:
    """Usage, text, calls and reason of the end, wherever the network cuts it: amid a line or a character too."""
    whole = b"".join(SERVERS[api].events(turn, ASKED, BODY))
    reading = read(api, cut_up(whole, places), stream=True)
    assert turn.usage is not None
    assert reading.tokens == tokens(api, turn.usage)
    assert reading.final
    assert reading.complete
    assert not reading.malformed
    assert "".join(reading.text) == turn.text
    assert [(call.name, json.loads(call.arguments)) for call in reading.calls] == [
        (call.name, call.arguments) for call in turn.calls
    ]
    assert not any(call.malformed for call in reading.calls)
    assert len(reading.finish_reasons) == 1


@pytest.mark.parametrize("api", APIS)
@given(turn=TURNS)
def test_an_unstreamed_answer_reads_like_the_streamed_one(api: Api, turn: Turn) -> None:
    """The agent's choice of transport changes no figure."""
    whole = json.dumps(SERVERS[api].answer(turn, ASKED, BODY)).encode()
    streamed = read(api, [b"".join(SERVERS[api].events(turn, ASKED, BODY))], stream=True)
    reading = read(api, [whole], stream=False)
    assert reading.tokens == streamed.tokens
    assert "".join(reading.text) == turn.text
    assert [(call.id, call.name) for call in reading.calls] == [(call.id, call.name) for call in streamed.calls]
    assert reading.complete


@given(turn=TURNS, places=st.lists(st.integers(0, 10**6), max_size=30))
def test_a_gemini_array_reads_like_events(turn: Turn, places: list[int]) -> None:
    """Without `alt=sse` the same parts come as one JSON array."""
    whole = b"".join(_as_array(SERVERS["gemini"].events(turn, ASKED, BODY)))
    reading = read("gemini", cut_up(whole, places), stream=True)
    assert turn.usage is not None
    assert reading.tokens == tokens("gemini", turn.usage)
    assert "".join(reading.text) == turn.text
    assert reading.complete


@pytest.mark.parametrize("api", APIS)
@given(turn=TURNS, place=st.integers(0, 10**6))
def test_a_cut_stream_tells_what_it_had(api: Api, turn: Turn, place: int) -> None:
    """No more text than was sent, and never an end that was not there."""
    whole = b"".join(SERVERS[api].events(turn, ASKED, BODY))
    cut = place % len(whole)
    reading = read(api, [whole[:cut]], stream=True)
    assert turn.text.startswith("".join(reading.text))
    if reading.final:
        assert reading.complete or api == "anthropic_messages"


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [True, False])
@given(pieces=st.lists(st.binary(max_size=60), max_size=8))
def test_no_answer_is_an_exception(api: Api, stream: bool, pieces: list[bytes]) -> None:
    """Bytes of any kind, also such as look like events."""
    read(api, pieces, stream=stream)
    read(api, [b"data: " + piece + b"\n\n" for piece in pieces], stream=stream)


WORDS = (
    *("type", "delta", "choices", "message", "usage", "content", "tool_calls", "function", "index", "output", "item"),
    *("response", "candidates", "parts", "functionCall", "usageMetadata", "promptTokenCount", "input_tokens", "id"),
    *("prompt_tokens", "error", "content_block", "name"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@pytest.mark.parametrize("api", APIS)
@given(event=JSON, kind=st.sampled_from(["message_start", "content_block_delta", "response.completed", "error", ""]))
def test_json_of_another_shape_is_no_exception(api: Api, event: Any, kind: str) -> None:
    """The right words in the wrong places."""
    if isinstance(event, dict) and kind:
        event = {**event, "type": kind}
    data = json.dumps(event).encode()
    reading = read(api, [b"data: " + data + b"\n\n"], stream=True)
    reading.characters()
    read(api, [data], stream=False)
    if isinstance(event, dict):
        with contextlib.suppress(ValueError):
            wire(api).ask(event, "/v1beta/models/m:generateContent")
        wire(api).strip(dict(event))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), max_size=5), st.data())
def test_events_survive_any_line_end_and_any_cut(texts: list[str], data: st.DataObject) -> None:
    """LF, CR LF and CR all end a line; comments and other fields are skipped."""
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    whole = "".join(f": ping{end}event: x{end}data: {text}{end}{end}" for text in texts).encode()
    pieces = cut_up(whole, data.draw(st.lists(st.integers(0, 10**6), max_size=20)))
    events = Events()
    found = [one for piece in pieces for one in events.feed(piece)] + list(events.end())
    assert [one.decode() for one in found] == texts


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), max_size=5), st.data())
def test_elements_are_found_at_any_cut(objects: list[dict[str, str]], data: st.DataObject) -> None:
    """Braces and quotes within strings are no structure."""
    whole = json.dumps(objects).encode()
    elements = Elements()
    places = data.draw(st.lists(st.integers(0, 10**6), max_size=20))
    found = [one for piece in cut_up(whole, places) for one in elements.feed(piece)]
    assert [json.loads(one) for one in found] == objects
