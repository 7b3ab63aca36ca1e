"""Anthropic Messages: `POST …/v1/messages`, `POST …/v1/messages/count_tokens`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worktrial.formats.gateway import Api
from worktrial.gateway.meters import StreamMeter, WholeMeter
from worktrial.gateway.reading import Asked, Call, Meter, Reading, Tokens, count, error_text, items, mapping, text

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_TOOLS = ("web_search", "web_fetch", "code_execution", "mcp_toolset", "computer")
"""Beginnings of the types of tools that reach beyond the sandbox. `bash_…`, `text_editor_…` and `memory_…` are run by
the agent."""


class AnthropicMessages:
    """The protocol."""

    api: Api = "anthropic_messages"
    provider = "anthropic"
    key_header = "x-api-key"

    def ask(self, body: Mapping[str, Any], path: str) -> Asked:
        """Read a request."""
        model = text(body.get("model"))
        if not model:
            raise ValueError("model: Field required")
        tools = items(body.get("tools"))
        return Asked(model, body.get("stream") is True, len(tools), tuple(_server_tools(body, tools)))

    def strip(self, body: dict[str, Any]) -> bool:
        """Take the provider's tools out. What forces one of them, or has no others, makes no sense without."""
        tools = items(body.get("tools"))
        taken = {text(tool.get("name")) for tool in tools if _is_server_tool(tool)}
        kept = [tool for tool in tools if not _is_server_tool(tool)]
        choice = mapping(body.get("tool_choice"))
        if choice.get("name") in taken or (choice.get("type") in ("any", "tool") and not kept):
            return False
        body.pop("mcp_servers", None)
        body.pop("tools", None)
        if kept:
            body["tools"] = kept
        else:
            body.pop("tool_choice", None)
        return True

    def rename(self, body: dict[str, Any], path: str, model: str) -> str:
        """Ask for another model."""
        body["model"] = model
        return path

    def url(self, base_url: str, path: str) -> str:
        """Return the upstream's address, whether or not its base ends with `/v1`."""
        at = path.rfind("/v1/")
        return base_url.rstrip("/").removesuffix("/v1/messages").removesuffix("/v1") + path[max(at, 0) :]

    def meter(self, *, stream: bool) -> Meter:
        """Return a meter for one answer."""
        return StreamMeter(_note_event) if stream else WholeMeter(_note_message)

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error in the protocol's shape."""
        return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}


def _is_server_tool(tool: dict[str, Any]) -> bool:
    return text(tool.get("type")).startswith(_SERVER_TOOLS)


def _server_tools(body: Mapping[str, Any], tools: list[dict[str, Any]]) -> list[str]:
    found = [text(tool.get("type")) for tool in tools if _is_server_tool(tool)]
    return [*found, *(["mcp_servers"] if body.get("mcp_servers") else [])]


def _note_message(reading: Reading, body: dict[str, Any]) -> None:
    """Read a whole answer."""
    if body.get("type") == "error":
        reading.error = error_text(body)
        return
    if "input_tokens" in body and "content" not in body:  # the answer of count_tokens: nothing was generated
        reading.complete = True
        return
    reading.model = text(body.get("model"))
    if not isinstance(body.get("content"), list):
        reading.malformed = True
        return
    for block in items(body["content"]):
        _note_block(reading, block)
        if block.get("type") == "tool_use":
            reading.calls[-1].pieces = [_as_text(block.get("input"))]
    _note_stop(reading, body)
    _note_usage(reading, mapping(body.get("usage")), final=True)
    reading.complete = True


def _note_event(reading: Reading, event: dict[str, Any]) -> None:
    kind = event.get("type")
    if kind == "content_block_delta":
        _note_delta(reading, mapping(event.get("delta")))
    elif kind == "content_block_start":
        _note_block(reading, mapping(event.get("content_block")))
    elif kind == "message_start":
        message = mapping(event.get("message"))
        reading.model = text(message.get("model"))
        _note_usage(reading, mapping(message.get("usage")), final=False)
    elif kind == "message_delta":
        _note_stop(reading, mapping(event.get("delta")))
        _note_usage(reading, mapping(event.get("usage")), final=True)
    elif kind == "message_stop":
        reading.complete = True
    elif kind == "error":
        reading.error = error_text(event)


def _note_block(reading: Reading, block: dict[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text":
        reading.text.append(text(block.get("text")))
    elif kind == "thinking":
        reading.reasoning.append(text(block.get("thinking")))
    elif kind == "tool_use":
        reading.calls.append(Call(text(block.get("id")), text(block.get("name"))))


def _note_delta(reading: Reading, delta: dict[str, Any]) -> None:
    kind = delta.get("type")
    if kind == "text_delta":
        reading.text.append(text(delta.get("text")))
    elif kind == "thinking_delta":
        reading.reasoning.append(text(delta.get("thinking")))
    elif kind == "input_json_delta" and reading.calls:
        reading.calls[-1].pieces.append(text(delta.get("partial_json")))


def _note_stop(reading: Reading, said: dict[str, Any]) -> None:
    if isinstance(said.get("stop_reason"), str):
        reading.finish_reasons = [said["stop_reason"]]


def _note_usage(reading: Reading, usage: dict[str, Any], *, final: bool) -> None:
    """Add what a part of the answer says: counts are running totals, so a later one replaces an earlier."""
    if not usage:
        return
    raw = {**(reading.raw_usage or {}), **{key: value for key, value in usage.items() if value is not None}}
    reading.raw_usage = raw
    if not isinstance(raw.get("input_tokens"), int):
        return
    read, written = count(raw.get("cache_read_input_tokens")), count(raw.get("cache_creation_input_tokens"))
    hour = count(mapping(raw.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    reading.tokens = Tokens(
        input=count(raw["input_tokens"]) + read + written,
        output=count(raw.get("output_tokens")),
        cache_read=read,
        cache_write=written,
        cache_write_1h=min(hour, written),
    )
    reading.final = reading.final or final


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
