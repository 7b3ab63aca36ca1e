"""Taking in what an agent sends, within limits, and decoding it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from importlib import import_module

from aiohttp import web

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
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    return body if encoding == "identity" else _decoded(body, encoding, most, config)


def _decoded(body: bytes, encoding: str, most: int, config: GatewayConfig) -> bytes:
    try:
        whole, data = _decompressed(body, encoding, most + 1)
    except LookupError:
        raise Refusal("bad_request", 415, f"worktrial: Content-Encoding {encoding!r} cannot be read here") from None
    except (zlib.error, ValueError) as error:
        raise Refusal("bad_request", 400, f"worktrial: the body is not {encoding}: {error}") from None
    if len(data) > most:
        raise _too_large(config)
    if not whole:
        raise Refusal("bad_request", 400, f"worktrial: the body is not {encoding}: it ends too early")
    return data


def _decompressed(body: bytes, encoding: str, most: int) -> tuple[bool, bytes]:
    """Return whether the data came to its end, and at most so many bytes of it. Raises `LookupError`."""
    if encoding == "zstd":
        try:
            zstd = import_module("compression.zstd")  # Python 3.14
        except ImportError:
            raise LookupError(encoding) from None
        try:
            decoder = zstd.ZstdDecompressor()
            data: bytes = decoder.decompress(body, most)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from None
        return bool(decoder.eof), data
    if encoding in ("gzip", "x-gzip", "deflate"):
        inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)
        data = inflate.decompress(body, most)
        return inflate.eof, data
    raise LookupError(encoding)


def _too_large(config: GatewayConfig) -> Refusal:
    return Refusal("too_large", 413, f"worktrial: the request is longer than {config.max_body_mib:.0f} MiB")
