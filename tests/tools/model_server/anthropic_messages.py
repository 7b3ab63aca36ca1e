"""Anthropic Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.tools.model_server.script import Turn, Usage
from tests.tools.model_server.wire import Asked, bearer, event, pieces, words

_STOPS = {"length": "max_tokens", "refused": "refusal"}


class AnthropicMessages:
    """`POST …/v1/messages`."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        return headers.get("x-api-key") or bearer(headers)

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        messages = body.get("messages") or []
        wrong = "" if "anthropic-version" in headers else "anthropic-version: header is required"
        return Asked(
            model=str(body.get("model")),
            stream=bool(body.get("stream")),
            tools=tuple(body.get("tools") or ()),
            prompt=next((words(one["content"]) for one in messages if one.get("role") == "user"), ""),
            index=sum(message["role"] == "assistant" for message in messages),
            wrong=wrong or _wrong(body),
        )

    def answer(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": turn.text}, *_calls(turn, asked)]
        answer = _message(asked) | {"content": content, "stop_reason": _stop(turn)}
        if turn.usage is not None:
            answer["usage"] = _input_usage(turn.usage) | {"output_tokens": turn.usage.output}
        return answer

    def events(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> list[bytes]:
        def made(kind: str, **more: Any) -> bytes:
            return event({"type": kind, **more}, kind)

        start = _message(asked) | {"content": [], "stop_reason": None}
        if turn.usage is not None:
            start["usage"] = _input_usage(turn.usage) | {"output_tokens": min(1, turn.usage.output)}
        sent = [made("message_start", message=start)]
        index = 0
        if turn.text or not turn.calls:
            sent.append(made("content_block_start", index=0, content_block={"type": "text", "text": ""}))
            sent.append(made("ping"))
            sent += [
                made("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
                for piece in pieces(turn.text)
            ]
            sent.append(made("content_block_stop", index=0))
            index = 1
        for call, block in zip(turn.calls, _calls(turn, asked), strict=True):
            sent.append(made("content_block_start", index=index, content_block=block | {"input": {}}))
            for piece in pieces(call.text):
                delta = {"type": "input_json_delta", "partial_json": piece}
                sent.append(made("content_block_delta", index=index, delta=delta))
            sent.append(made("content_block_stop", index=index))
            index += 1
        used = {} if turn.usage is None else {"usage": {"output_tokens": turn.usage.output}}
        sent.append(made("message_delta", delta={"stop_reason": _stop(turn), "stop_sequence": None}, **used))
        return [*sent, made("message_stop")]

    def error(self, kind: str, message: str, status: int) -> dict[str, Any]:
        return {"type": "error", "error": {"type": kind, "message": message}}

    def error_event(self, message: str) -> bytes:
        return event(self.error("overloaded_error", message, 529), "error")


def _message(asked: Asked) -> dict[str, Any]:
    return {
        "id": f"msg_{asked.index}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "stop_sequence": None,
    }


def _calls(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "type": "tool_use",
            "id": f"toolu_{asked.index}_{i}" if call.id is None else call.id,
            "name": call.name,
            "input": call.arguments,
        }
        for i, call in enumerate(turn.calls)
    ]


def _stop(turn: Turn) -> str:
    return _STOPS.get(turn.stop, "tool_use" if turn.calls else "end_turn")


def _input_usage(used: Usage) -> dict[str, Any]:
    return {
        "input_tokens": used.input - used.cache_read - used.cache_write,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation_input_tokens": used.cache_write,
    }


def _wrong(body: dict[str, Any]) -> str:
    """Return what Anthropic would complain of; empty when nothing."""
    if not isinstance(body.get("max_tokens"), int) or not isinstance(body.get("model"), str):
        return "max_tokens and model: Field required"
    messages = body.get("messages") or []
    if not messages or messages[0]["role"] != "user":
        return "messages: the first must be of the user"
    asked: list[str] = []
    for message in messages:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if not message["content"] or any(block["type"] == "text" and not block["text"] for block in blocks):
            return "messages: text content blocks must be non-empty"
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(answered) != sorted(asked):
            return f"messages: tool_use ids {asked} were answered by tool_result {answered}"
        asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if any(not isinstance(block["input"], dict) for block in blocks if block["type"] == "tool_use"):
            return "messages: tool_use.input: Input should be a valid dictionary"
    return f"messages: tool_use ids {asked} have no tool_result" if asked else ""
