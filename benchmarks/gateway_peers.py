"""Both ends of the gateway's benchmark: an upstream that answers at once, a raw byte splice, and a client.

All three are as lean as asyncio allows, so that what is measured is what lies between them. Run as programs of their
own: `python -m benchmarks.gateway_peers upstream|splice [UPSTREAM-PORT]`; they print their port.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

WORDS = ("the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "while", "def", "handle(request):", "return")
MODEL = "gpt-5-mini"
"""One of the public price list: reading that is part of the work."""
KEY = "sk-bench-" + "0123456789abcdef" * 4
"""Of the upstream and of LiteLLM, which does not start without one."""
STREAM_EVENTS = 40


def bodies(count: int, size: int, *, stream: bool) -> list[bytes]:
    """Return requests of one conversation of about `size` bytes: each differs from the one before by a message."""
    head = " ".join(WORDS[i * 7 % len(WORDS)] + str(i * i % 9973) for i in range(size // 7))[: size - 1200]
    made = []
    for i in range(count):
        messages = [
            {"role": "system", "content": head},
            {"role": "user", "content": f"step {i}: " + "look at it " * 60},
        ]
        body = {"model": MODEL, "stream": stream, "messages": messages}
        if stream:
            body["stream_options"] = {"include_usage": True}
        body["tools"] = [{"type": "function", "function": {"name": "shell", "parameters": {"type": "object"}}}]
        made.append(json.dumps(body).encode())
    return made


def _whole() -> bytes:
    usage = {"prompt_tokens": 15000, "completion_tokens": 300, "prompt_tokens_details": {"cached_tokens": 14000}}
    call = {"id": "c1", "type": "function", "function": {"name": "shell", "arguments": '{"command": "ls"}'}}
    message = {"role": "assistant", "content": "I will look at it. " * 60, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({"id": "x", "model": MODEL, "choices": [choice], "usage": usage}).encode()


def _events() -> list[bytes]:
    def event(data: dict[str, object]) -> bytes:
        return b"data: " + json.dumps({"id": "x", "model": MODEL, **data}).encode() + b"\n\n"

    def choice(delta: dict[str, object], finish: str | None = None) -> dict[str, object]:
        return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    events = [event(choice({"role": "assistant", "content": ""}))]
    events += [event(choice({"content": f"word {i} "})) for i in range(STREAM_EVENTS)]
    events += [event(choice({}, "stop"))]
    events += [event({"choices": [], "usage": {"prompt_tokens": 15000, "completion_tokens": 300}}), b"data: [DONE]\n\n"]
    return events


class Upstream(asyncio.Protocol):
    """Answers every request by its kind as soon as it has all of it; `pace_s` between the events of a stream."""

    pace_s = 0.0
    answer = b""
    events: tuple[bytes, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = bytearray()
        self.tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return
        streamed = b'"stream": true' in self.buffer[end : end + 200]
        del self.buffer[: end + 4 + length]
        if not streamed:
            self.transport.write(self.answer)
            return
        task = asyncio.get_running_loop().create_task(self.stream())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def stream(self) -> None:
        """Send the events."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        for i, event in enumerate(self.events):
            if self.transport.is_closing():
                return
            self.transport.write((head if i == 0 else b"") + b"%x\r\n%s\r\n" % (len(event), event))
            await asyncio.sleep(self.pace_s)
        self.transport.write(b"0\r\n\r\n")


class Splice(asyncio.Protocol):
    """Passes bytes on to another port and back, and reads none of them."""

    port = 0

    def __init__(self, peer: Splice | None = None) -> None:
        self.peer = peer
        self.early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.peer is None:
            self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self) -> None:
        """Reach the other port."""
        _, self.peer = await asyncio.get_running_loop().create_connection(lambda: Splice(self), "127.0.0.1", self.port)
        self.peer.transport.write(bytes(self.early))

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        if self.peer is None:
            self.early += data
        else:
            self.peer.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the other side too."""
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.close()


class Client:
    """One connection that asks and waits."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path

    async def __aenter__(self) -> Client:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.writer.close()

    async def ask(self, body: bytes) -> tuple[float, float, bytes]:
        """Return seconds to the first byte of the body, to the end, and the body. Raises when it is cut short."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        self.writer.write(head.encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        if not answer.startswith(b"http/1.1 200"):
            raise RuntimeError((answer + await self.reader.read(2000)).decode("utf-8", "replace"))
        at = answer.find(b"content-length:")
        if at >= 0:
            data = await self.reader.readexactly(int(answer[at + 15 :].split(b"\r\n", 1)[0]))
            end = time.perf_counter()
            return end - began, end - began, data
        first, pieces = 0.0, []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append((await self.reader.readexactly(size + 2))[:-2])
            first = first or time.perf_counter() - began
        await self.reader.readuntil(b"\r\n")
        return first, time.perf_counter() - began, b"".join(pieces)


async def _serve(kind: str, argument: str) -> None:
    loop = asyncio.get_running_loop()
    if kind == "upstream":
        Upstream.pace_s = float(argument or 0)
        whole = _whole()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(whole)
        Upstream.answer, Upstream.events = head + whole, tuple(_events())
        server = await loop.create_server(Upstream, "127.0.0.1", 0, backlog=1000)
    else:
        Splice.port = int(argument)
        server = await loop.create_server(Splice, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
