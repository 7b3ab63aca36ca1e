"""From a path to what it asks for: `/run/<trial's token>/…` and, behind it, an operation of one of the protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worktrial.gateway.anthropic_messages import AnthropicMessages
from worktrial.gateway.gemini import MODEL_PATH, Gemini
from worktrial.gateway.openai_chat import OpenAIChat
from worktrial.gateway.openai_responses import OpenAIResponses
from worktrial.gateway.reading import Wire

PREFIX = "/run/"
CHAT, MESSAGES, RESPONSES, GEMINI = OpenAIChat(), AnthropicMessages(), OpenAIResponses(), Gemini()
WIRES: tuple[Wire, ...] = (CHAT, MESSAGES, RESPONSES, GEMINI)

_GEMINI = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "countTokens": "count_tokens",
}


@dataclass(frozen=True)
class Route:
    """An operation of a protocol."""

    wire: Wire
    operation: str
    """By OpenTelemetry's names where it has one; empty: the protocol has no such operation, or we do not pass it on."""


def split_token(path: str) -> tuple[str, str]:
    """Return the token in a path and what comes behind it; ("", path) when there is none."""
    if not path.startswith(PREFIX):
        return "", path
    token, _, rest = path[len(PREFIX) :].partition("/")
    return token, "/" + rest


def find(method: str, path: str, headers: Mapping[str, str]) -> Route:
    """Return what is asked for; an unknown route has the protocol whose errors its sender most likely understands."""
    tail = path.rstrip("/")
    wire, operation = _post(tail) if method == "POST" else _get(tail, headers)
    return Route(wire or _guess(tail, headers), operation if wire is not None else "")


def _post(path: str) -> tuple[Wire | None, str]:
    if path.endswith("/chat/completions"):
        return CHAT, "chat"
    if path.endswith("/v1/messages"):
        return MESSAGES, "chat"
    if path.endswith("/v1/messages/count_tokens"):
        return MESSAGES, "count_tokens"
    if path.endswith(("/responses", "/responses/compact")):
        return RESPONSES, "chat"
    found = MODEL_PATH.search(path)
    if found is not None and found["method"] in _GEMINI:
        return GEMINI, _GEMINI[found["method"]]
    return None, ""


def _get(path: str, headers: Mapping[str, str]) -> tuple[Wire | None, str]:
    if path.endswith("/models") or "/models/" in path:
        return _guess(path, headers), "list_models"
    return None, ""


def _guess(path: str, headers: Mapping[str, str]) -> Wire:
    if "/responses" in path:
        return RESPONSES
    if "anthropic-version" in headers or "x-api-key" in headers or "/messages" in path:
        return MESSAGES
    if "x-goog-api-key" in headers or "/v1beta" in path:
        return GEMINI
    return CHAT
