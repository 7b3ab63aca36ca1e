"""Taking in what an agent sends, within limits. The server decodes what came compressed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from worktrial.formats.gateway import GatewayConfig
from worktrial.gateway.exchange import Refusal

_MIB = 1024 * 1024


def headers(request: web.BaseRequest) -> Iterator[tuple[str, str]]:
    """Yield the headers as they came, but those that the agent declares to be of the connection only."""
    connection = {name.strip().lower() for name in request.headers.get("Connection", "").split(",")}
    for name, value in request.headers.items():
        if name.lower() not in connection:
            yield name, value


async def read_body(request: web.BaseRequest, config: GatewayConfig) -> bytes:
    """Return the whole body, decoded. Raises `Refusal` when it is too long, comes too slowly, or cannot be decoded."""
    if not request.can_read_body:
        return b""
    most = int(config.max_body_mib * _MIB)
    if (request.content_length or 0) > most:
        raise _too_large(config)
    pieces, size = [], 0
    try:
        while True:
            async with asyncio.timeout(config.client_timeout_s):
                piece = await request.content.readany()
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            if size > most:
                raise _too_large(config)
    except TimeoutError:
        raise Refusal("client_slow", 408, f"worktrial: nothing came for {config.client_timeout_s:.0f} s") from None
    except (web.RequestPayloadError, HttpProcessingError) as error:
        words = " ".join(str(error).split())[:200]
        raise Refusal("bad_request", 400, f"worktrial: the body cannot be decoded: {words}") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(config: GatewayConfig) -> Refusal:
    return Refusal("too_large", 413, f"worktrial: the request is longer than {config.max_body_mib:.0f} MiB")
