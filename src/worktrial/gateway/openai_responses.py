"""OpenAI Responses: `POST …/responses`, `POST …/responses/compact`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worktrial.formats.gateway import Api
from worktrial.gateway.meters import StreamMeter, WholeMeter
from worktrial.gateway.openai_chat import openai_error, openai_tail, strip_tools
from worktrial.gateway.reading import Asked, Call, Meter, Reading, Tokens, count, error_text, items, mapping, text

_SERVER_TOOLS = (
    "web_search",
    "file_search",
    "code_interpreter",
    "computer",
    "mcp",
    "image_generation",
    "code_execution",
)
"""Beginnings of the types of tools that the provider runs, or that reach beyond the sandbox."""
_ENDS = ("response.completed", "response.incomplete", "response.failed")


class OpenAIResponses:
    """The protocol."""

    api: Api = "openai_responses"
    provider = "openai"
    key_header = "bearer"

    def ask(self, body: Mapping[str, Any], path: str) -> Asked:
        """Read a request."""
        model = text(body.get("model"))
        if not model:
            raise ValueError("you must provide a model parameter")
        tools = items(body.get("tools"))
        found = tuple(text(tool.get("type")) for tool in tools if _is_server_tool(tool))
        return Asked(model, body.get("stream") is True, len(tools), found)

    def strip(self, body: dict[str, Any]) -> bool:
        """Take the provider's tools out."""
        return strip_tools(body, _is_server_tool)

    def rename(self, body: dict[str, Any], path: str, model: str) -> str:
        """Ask for another model."""
        body["model"] = model
        return path

    def url(self, base_url: str, path: str) -> str:
        """Return the upstream's address: its base holds the `/v1`, or whatever it has in its place."""
        base = base_url.rstrip("/").removesuffix("/responses").removesuffix("/chat/completions")
        return base + "/" + path[openai_tail(path) :]

    def meter(self, *, stream: bool) -> Meter:
        """Return a meter for one answer."""
        return StreamMeter(_note_event) if stream else WholeMeter(_note_response)

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error in the protocol's shape."""
        return openai_error(status, message)


def _is_server_tool(tool: dict[str, Any]) -> bool:
    kind = text(tool.get("type"))
    hosted = kind == "shell" and mapping(tool.get("environment")).get("type") not in (None, "local")
    return hosted or kind.startswith(_SERVER_TOOLS)


def _note_response(reading: Reading, body: dict[str, Any]) -> None:
    """Read a whole answer."""
    if "output" not in body and "usage" not in body and "status" not in body:
        reading.malformed = not body.get("error")
        return
    reading.calls.clear()
    reading.text.clear()
    reading.reasoning.clear()
    for item in items(body.get("output")):
        _note_item(reading, item)
        if item.get("type") == "message":
            parts = items(item.get("content"))
            reading.text += [text(part.get("text")) or text(part.get("refusal")) for part in parts]
        elif item.get("type") == "reasoning":
            reading.reasoning += [text(part.get("text")) for part in items(item.get("summary"))]
    _note_end(reading, body)
    reading.complete = body.get("status") != "in_progress"


def _note_event(reading: Reading, event: dict[str, Any]) -> None:
    kind = text(event.get("type"))
    if kind in ("response.output_text.delta", "response.refusal.delta"):
        reading.text.append(text(event.get("delta")))
    elif kind.endswith(("_arguments.delta", "_call_input.delta")):
        if reading.calls:
            reading.calls[-1].pieces.append(text(event.get("delta")))
    elif kind == "response.output_item.added":
        _note_item(reading, mapping(event.get("item")), whole=False)
    elif kind == "response.output_item.done":
        _finish_item(reading, mapping(event.get("item")))
    elif kind.startswith("response.reasoning") and kind.endswith(".delta"):
        reading.reasoning.append(text(event.get("delta")))
    elif kind == "response.created":
        reading.model = text(mapping(event.get("response")).get("model"))
    elif kind in _ENDS:
        _note_end(reading, mapping(event.get("response")))
        reading.complete = True
    elif kind == "error":
        reading.error = error_text(event)


def _note_item(reading: Reading, item: dict[str, Any], *, whole: bool = True) -> None:
    kind = item.get("type")
    identifier, name = text(item.get("call_id")) or text(item.get("id")), text(item.get("name"))
    if kind == "function_call":
        reading.calls.append(Call(identifier, name, [text(item.get("arguments"))] if whole else []))
    elif kind == "custom_tool_call":
        reading.calls.append(Call(identifier, name, [text(item.get("input"))] if whole else [], free_form=True))
    elif kind in ("local_shell_call", "shell_call", "apply_patch_call"):
        reading.calls.append(Call(identifier, str(kind).removesuffix("_call"), free_form=True))


def _finish_item(reading: Reading, item: dict[str, Any]) -> None:
    """Take the whole arguments of a call: not all servers stream them in pieces."""
    identifier = text(item.get("call_id")) or text(item.get("id"))
    given = text(item.get("arguments")) or text(item.get("input"))
    for call in reading.calls:
        if call.id == identifier:
            call.pieces = [given] if given else call.pieces
            return
    _note_item(reading, item)


def _note_end(reading: Reading, response: dict[str, Any]) -> None:
    reading.model = text(response.get("model")) or reading.model
    reason = text(mapping(response.get("incomplete_details")).get("reason")) or text(response.get("status"))
    reading.finish_reasons = [reason] if reason else []
    if response.get("status") == "failed" or response.get("error"):
        reading.error = error_text(response)
    usage = mapping(response.get("usage"))
    if not isinstance(usage.get("input_tokens"), int):
        return
    into, out = mapping(usage.get("input_tokens_details")), mapping(usage.get("output_tokens_details"))
    reasoning = out.get("reasoning_tokens")
    total = count(usage["input_tokens"])
    reading.tokens = Tokens(
        input=total,
        output=count(usage.get("output_tokens")),
        cache_read=min(count(into.get("cached_tokens")), total),
        cache_write=min(count(into.get("cache_write_tokens")), total),
        reasoning=count(reasoning) if isinstance(reasoning, int) else None,
    )
    reading.final = True
    reading.raw_usage = usage
