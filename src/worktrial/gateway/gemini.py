"""Gemini: `POST …/models/{model}:{generateContent,streamGenerateContent,countTokens}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from worktrial.formats.gateway import Api
from worktrial.gateway.meters import StreamMeter, WholeMeter
from worktrial.gateway.reading import Asked, Call, Meter, Reading, Tokens, count, error_text, items, mapping, text

MODEL_PATH = re.compile(r"/(?:models|tunedModels)/(?P<model>[^/:?]+):(?P<method>\w+)$")
_VERSION = re.compile(r"/v1(?:beta|alpha)?(?:\d+)?(?=/(?:models|tunedModels)\b)")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_OWN = ("functiondeclarations", "")


class Gemini:
    """The protocol."""

    api: Api = "gemini"
    provider = "google"
    key_header = "x-goog-api-key"

    def ask(self, body: Mapping[str, Any], path: str) -> Asked:
        """Read a request: its model is in its path."""
        found = MODEL_PATH.search(path)
        if found is None:
            raise ValueError("no model in the path")
        tools = items(body.get("tools"))
        declared = sum(len(items(value)) for tool in tools for name, value in tool.items() if _key(name) in _OWN)
        server = tuple(name for tool in tools for name in tool if _key(name) not in _OWN)
        return Asked(found["model"], found["method"].startswith("stream"), declared + len(server), server)

    def strip(self, body: dict[str, Any]) -> bool:
        """Take the provider's tools out; a request whose only tools they are is answered without."""
        kept = [
            {name: value for name, value in tool.items() if _key(name) in _OWN} for tool in items(body.get("tools"))
        ]
        body["tools"] = [tool for tool in kept if tool]
        if not body["tools"]:
            del body["tools"]
            body.pop("toolConfig", None)
            body.pop("tool_config", None)
        return True

    def rename(self, body: dict[str, Any], path: str, model: str) -> str:
        """Ask for another model."""
        found = MODEL_PATH.search(path)
        return path if found is None else path[: found.start("model")] + model + path[found.end("model") :]

    def url(self, base_url: str, path: str) -> str:
        """Return the upstream's address, whether or not its base ends with a version."""
        found = _VERSION.search(path)
        base = base_url.rstrip("/")
        if found is None:
            at = max(path.rfind("/models"), 0)
            return base + path[at:]
        return re.sub(r"/v1(?:beta|alpha)?\d*$", "", base) + path[found.start() :]

    def meter(self, *, stream: bool) -> Meter:
        """Return a meter for one answer."""
        return StreamMeter(_note_chunk) if stream else WholeMeter(_note_whole)

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error in the protocol's shape."""
        return {"error": {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}}


def _key(name: str) -> str:
    """Return a field's name as it is in both of the spellings that Google takes."""
    return name.replace("_", "").lower()


def _note_whole(reading: Reading, body: dict[str, Any]) -> None:
    if "totalTokens" in body and "candidates" not in body:  # the answer of countTokens: nothing was generated
        reading.complete = True
        return
    _note_chunk(reading, body)
    if "candidates" not in body and "promptFeedback" not in body:
        reading.malformed = not body.get("error")
    reading.complete = not reading.malformed


def _note_chunk(reading: Reading, body: dict[str, Any]) -> None:
    reading.model = text(body.get("modelVersion")) or reading.model
    for candidate in items(body.get("candidates")):
        for part in items(mapping(candidate.get("content")).get("parts")):
            _note_part(reading, part)
        if isinstance(candidate.get("finishReason"), str):
            reading.finish_reasons.append(candidate["finishReason"])
            reading.complete = True
    if blocked := text(mapping(body.get("promptFeedback")).get("blockReason")):
        reading.finish_reasons.append(blocked)
        reading.complete = True
    if body.get("error"):
        reading.error = error_text(body)
    _note_usage(reading, mapping(body.get("usageMetadata")))


def _note_part(reading: Reading, part: dict[str, Any]) -> None:
    if isinstance(part.get("functionCall"), dict):
        call = part["functionCall"]
        arguments = call.get("args", {})
        as_text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        reading.calls.append(Call(text(call.get("id")), text(call.get("name")), [as_text]))
    elif part.get("thought") is True:
        reading.reasoning.append(text(part.get("text")))
    elif "text" in part:
        reading.text.append(text(part.get("text")))


def _note_usage(reading: Reading, usage: dict[str, Any]) -> None:
    """Read the usage: the prompt's count includes the cached part, the candidates' excludes the thoughts.

    Each chunk says what holds by then, so the last one counts; those before it are the floor of a cut stream.
    """
    if not isinstance(usage.get("promptTokenCount"), int):
        return
    thoughts = usage.get("thoughtsTokenCount")
    total = count(usage["promptTokenCount"]) + count(usage.get("toolUsePromptTokenCount"))
    reading.tokens = Tokens(
        input=total,
        output=count(usage.get("candidatesTokenCount")) + count(thoughts),
        cache_read=min(count(usage.get("cachedContentTokenCount")), total),
        reasoning=count(thoughts) if isinstance(thoughts, int) else None,
    )
    reading.final = bool(reading.finish_reasons)
    reading.raw_usage = usage
