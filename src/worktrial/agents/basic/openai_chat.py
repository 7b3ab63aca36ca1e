"""OpenAI Chat Completions, as its many compatible servers speak it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from worktrial.agents.basic.messages import (
    Asked,
    Call,
    MalformedReply,
    Message,
    Reply,
    Stop,
    ToolSpec,
    count,
    parse_json,
)
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage

DEFAULT_URL = "https://api.openai.com/v1"
_STOPS: dict[str, Stop] = {"length": "length", "content_filter": "refused"}


class OpenAIChat:
    """One conversation's wire: it remembers what the server turned out to accept."""

    def __init__(self) -> None:
        self._limit_field = ""

    def url(self, base_url: str) -> str:
        """Return `{base_url}/chat/completions`."""
        return base_url.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the bearer token, if there is a key."""
        return {} if key is None else {"Authorization": f"Bearer {key}"}

    def body(
        self, config: AgentConfig, system: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> dict[str, Any]:
        """Return a request's body.

        OpenAI's newer models take the output limit as `max_completion_tokens` alone, most other servers know only
        `max_tokens`: the address decides, and `adapt` corrects it.
        """
        if not self._limit_field:
            official = (urlsplit(config.base_url or DEFAULT_URL).hostname or "").endswith("openai.com")
            self._limit_field = "max_completion_tokens" if official else "max_tokens"
        body: dict[str, Any] = {
            "model": config.model,
            "messages": [{"role": "system", "content": system}, *(part for one in messages for part in _sent(one))],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
                }
                for tool in tools
            ],
            self._limit_field: config.max_output_tokens,
        }
        if config.temperature is not None:
            body["temperature"] = config.temperature
        return body

    def adapt(self, problem: str) -> bool:
        """Use the other name of the output limit when the server complains of this one; once."""
        if self._limit_field == "max_tokens" and "max_completion_tokens" in problem:
            self._limit_field = "max_completion_tokens"
            return True
        return False

    def reply(self, body: dict[str, Any]) -> Reply:
        """Read the first choice."""
        try:
            choice = body["choices"][0]
            message = choice["message"]
            calls = tuple(_call(call) for call in message.get("tool_calls") or ())
            text, refusal = message.get("content"), message.get("refusal")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise MalformedReply(_problem(body) or f"no readable choice: {error!r}") from error
        stop = "refused" if refusal else _STOPS.get(str(choice.get("finish_reason")), "end")
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        return Reply(
            text=_text(text) or str(refusal or ""),
            calls=calls,
            stop=stop,
            reasoning=reasoning if isinstance(reasoning, str) else "",
            usage=_usage(body.get("usage")),
        )


def _sent(message: Message) -> list[dict[str, Any]]:
    if isinstance(message, Asked):
        return [{"role": "user", "content": message.text}]
    if isinstance(message, Reply):
        sent: dict[str, Any] = {"role": "assistant", "content": message.text}
        if message.calls:
            sent["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    # Servers put the arguments through templates of their own and fail on what is not JSON,
                    # so a call that could not be read goes back as what we made of it.
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for call in message.calls
            ]
        return [sent]
    return [{"role": "tool", "tool_call_id": result.call_id, "content": result.text} for result in message.results]


def _call(call: dict[str, Any]) -> Call:
    function = call["function"]
    name, raw = str(function["name"]), function.get("arguments")
    identifier = str(call.get("id") or "")
    if isinstance(raw, dict):
        return Call(identifier, name, raw)
    try:
        arguments = parse_json(raw or "{}")
    except (ValueError, TypeError) as error:
        return Call(identifier, name, {"unreadable": str(raw)}, f"the arguments are not valid JSON: {error}")
    if not isinstance(arguments, dict):
        return Call(identifier, name, {"unreadable": str(raw)}, "the arguments are not a JSON object")
    return Call(identifier, name, arguments)


def _text(content: object) -> str:
    """Return the text of a message: a string, or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _usage(usage: object) -> Usage | None:
    """Return the usage in our form. `prompt_tokens` includes the cached ones already."""
    if not isinstance(usage, dict) or not isinstance(usage.get("prompt_tokens"), int):
        return None
    details = usage.get("prompt_tokens_details")
    read = details.get("cached_tokens") if isinstance(details, dict) else usage.get("prompt_cache_hit_tokens")
    total = count(usage["prompt_tokens"])
    return Usage(
        requests=1,
        input_tokens=total,
        output_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=min(count(read), total),
    )


def _problem(body: dict[str, Any]) -> str:
    """Return the error some servers put into an answer of status 200."""
    error = body.get("error")
    return str(error.get("message") if isinstance(error, dict) else error or "")
