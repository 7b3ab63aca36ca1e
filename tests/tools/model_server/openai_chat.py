"""OpenAI Chat Completions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.tools.model_server.script import Turn, Usage
from tests.tools.model_server.wire import Asked, bearer, event, pieces, words


class OpenAIChat:
    """`POST …/chat/completions`."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        return bearer(headers)

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        messages = body.get("messages") or []
        return Asked(
            model=str(body.get("model")),
            stream=bool(body.get("stream")),
            tools=tuple(body.get("tools") or ()),
            prompt=next((words(one["content"]) for one in messages if one.get("role") == "user"), ""),
            index=sum(message["role"] == "assistant" for message in messages),
            wrong=_wrong(body),
        )

    def answer(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
        if turn.stop == "refused":
            message |= {"content": None, "refusal": turn.text}
        if turn.calls:
            message["tool_calls"] = _calls(turn, asked)
        answer: dict[str, Any] = {
            "id": f"chatcmpl-{asked.index}",
            "object": "chat.completion",
            "created": 0,
            "model": asked.model,
            "choices": [{"index": 0, "message": message, "finish_reason": _finish(turn)}],
        }
        if turn.usage is not None:
            answer["usage"] = _usage(turn.usage)
        return answer

    def events(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> list[bytes]:
        base = {"id": f"chatcmpl-{asked.index}", "object": "chat.completion.chunk", "created": 0, "model": asked.model}

        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            return event(base | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

        field = "refusal" if turn.stop == "refused" else "content"
        sent = [chunk({"role": "assistant", "content": ""}), *(chunk({field: piece}) for piece in pieces(turn.text))]
        for i, call in enumerate(_calls(turn, asked)):
            function = call["function"]
            first = call | {"index": i, "function": {"name": function["name"], "arguments": ""}}
            sent.append(chunk({"tool_calls": [first]}))
            sent += [
                chunk({"tool_calls": [{"index": i, "function": {"arguments": piece}}]})
                for piece in pieces(function["arguments"])
            ]
        sent.append(chunk({}, _finish(turn)))
        if turn.usage is not None and (body.get("stream_options") or {}).get("include_usage"):
            sent.append(event(base | {"choices": [], "usage": _usage(turn.usage)}))
        return [*sent, b"data: [DONE]\n\n"]

    def error(self, kind: str, message: str, status: int) -> dict[str, Any]:
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def error_event(self, message: str) -> bytes:
        return event(self.error("server_error", message, 500))


def _calls(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{asked.index}_{i}" if call.id is None else call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.text},
        }
        for i, call in enumerate(turn.calls)
    ]


def _finish(turn: Turn) -> str:
    return turn.stop if turn.stop == "length" else "tool_calls" if turn.calls else "stop"


def _usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cache_read},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _wrong(body: dict[str, Any]) -> str:
    """Return what OpenAI would complain of; empty when nothing."""
    if not isinstance(body.get("model"), str) or not body.get("messages"):
        return "you must provide a model and messages"
    open_calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                return f"no tool call {message['tool_call_id']!r} to answer"
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            return f"tool calls without an answer: {open_calls}"
        for call in message.get("tool_calls") or ():
            json.loads(call["function"]["arguments"])  # as the templates of many servers do
            open_calls.append(call["id"])
        if len(set(open_calls)) != len(open_calls) or "" in open_calls:
            return "tool call ids must be there and differ"
    return f"tool calls without an answer: {open_calls}" if open_calls else ""
