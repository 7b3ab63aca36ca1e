"""Gemini generateContent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.tools.model_server.script import Turn, Usage
from tests.tools.model_server.wire import Asked, bearer, event, pieces, runs, words


class Gemini:
    """`POST …/models/{model}:{generateContent,streamGenerateContent}`."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        return headers.get("x-goog-api-key") or query.get("key") or bearer(headers)

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        contents = body.get("contents") or []
        found = re.search(r"models/([^/:]+):(\w+)", path)
        assert found is not None
        tools = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()]
        said = [words(one.get("parts")) for one in contents if one.get("role", "user") == "user"]
        return Asked(
            model=found[1],
            stream=found[2] == "streamGenerateContent",
            tools=tuple(tools),
            prompt=next((text for text in said if text), ""),
            index=runs(one.get("role") == "model" for one in contents),
            wrong="" if contents else "contents is not specified",
        )

    def answer(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [{"text": turn.text}] if turn.text else []
        return _chunk(turn, asked, [*parts, *_calls(turn, asked)], last=True)

    def events(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> list[bytes]:
        chunks = [_chunk(turn, asked, [{"text": piece}], last=False) for piece in pieces(turn.text)]
        chunks.append(_chunk(turn, asked, _calls(turn, asked), last=True))
        return [event(chunk).replace(b"\n", b"\r\n") for chunk in chunks]

    def error(self, kind: str, message: str, status: int) -> dict[str, Any]:
        names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}

    def error_event(self, message: str) -> bytes:
        return event(self.error("", message, 503)).replace(b"\n", b"\r\n")


def _calls(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    return [
        {
            "functionCall": {
                "id": f"call_{asked.index}_{i}" if call.id is None else call.id,
                "name": call.name,
                "args": call.arguments,
            }
        }
        for i, call in enumerate(turn.calls)
    ]


def _chunk(turn: Turn, asked: Asked, parts: list[dict[str, Any]], *, last: bool) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if last:
        candidate["finishReason"] = {"length": "MAX_TOKENS", "refused": "SAFETY", "": "STOP"}[turn.stop]
    chunk: dict[str, Any] = {
        "candidates": [candidate],
        "modelVersion": asked.model,
        "responseId": f"resp_{asked.index}",
    }
    if turn.usage is not None:
        chunk["usageMetadata"] = _usage(turn.usage, last=last)
    return chunk


def _usage(used: Usage, *, last: bool) -> dict[str, Any]:
    """Return the usage: each chunk says what holds by then, and the reasoning is not among the candidates' tokens."""
    said: dict[str, Any] = {"promptTokenCount": used.input, "totalTokenCount": used.input}
    if used.cache_read:
        said["cachedContentTokenCount"] = used.cache_read
    if used.reasoning:
        said["thoughtsTokenCount"] = used.reasoning
    if last:
        said |= {"candidatesTokenCount": used.output - used.reasoning, "totalTokenCount": used.input + used.output}
    return said
