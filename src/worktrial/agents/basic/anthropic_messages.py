"""Anthropic Messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from worktrial.agents.basic.messages import Asked, Call, MalformedReply, Message, Reply, Stop, ToolSpec, count
from worktrial.formats.run import AgentConfig
from worktrial.formats.trial import Usage

DEFAULT_URL = "https://api.anthropic.com"
_VERSION = "2023-06-01"
_STOPS: dict[str, Stop] = {"max_tokens": "length", "refusal": "refused"}
_CACHED = {"cache_control": {"type": "ephemeral"}}


class AnthropicMessages:
    """One conversation's wire. The system prompt and the conversation so far are marked for the provider's cache."""

    def url(self, base_url: str) -> str:
        """Return `{base_url}/v1/messages`, whether or not the base ends with `/v1`."""
        return base_url.rstrip("/").removesuffix("/v1/messages").removesuffix("/v1") + "/v1/messages"

    def headers(self, key: str | None) -> dict[str, str]:
        """Return the version and, if there is one, the key."""
        return {"anthropic-version": _VERSION} | ({} if key is None else {"x-api-key": key})

    def body(
        self, config: AgentConfig, system: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> dict[str, Any]:
        """Return a request's body."""
        sent = [_sent(message) for message in messages]
        if sent and sent[-1]["content"]:
            sent[-1]["content"][-1] |= _CACHED
        body: dict[str, Any] = {
            "model": config.model,
            "max_tokens": config.max_output_tokens,
            "system": [{"type": "text", "text": system} | _CACHED],
            "messages": sent,
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools
            ],
        }
        if config.temperature is not None:
            body["temperature"] = config.temperature
        return body

    def adapt(self, problem: str) -> bool:
        """Return False: there is one dialect."""
        return False

    def reply(self, body: dict[str, Any]) -> Reply:
        """Read the content blocks."""
        blocks = body.get("content")
        if not isinstance(blocks, list) or not all(isinstance(block, dict) and "type" in block for block in blocks):
            raise MalformedReply(f"no content blocks in an answer of type {body.get('type')!r}")
        # An empty text block is sent by the server now and then, but refused when it is sent back.
        kept = tuple(block for block in blocks if block["type"] != "text" or block.get("text"))
        return Reply(
            text="\n".join(str(block["text"]) for block in kept if block["type"] == "text"),
            calls=tuple(_call(block) for block in kept if block["type"] == "tool_use"),
            stop=_STOPS.get(str(body.get("stop_reason")), "end"),
            reasoning="\n".join(str(block.get("thinking") or "") for block in kept if block["type"] == "thinking"),
            usage=_usage(body.get("usage")),
            blocks=kept,
        )


def _sent(message: Message) -> dict[str, Any]:
    """Return a message in Anthropic's form."""
    if isinstance(message, Asked):
        return {"role": "user", "content": [{"type": "text", "text": message.text}]}
    if isinstance(message, Reply):
        calls = iter(message.calls)
        return {"role": "assistant", "content": [_block(block, calls) for block in message.blocks]}
    return {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": result.call_id, "content": result.text}
            | ({"is_error": True} if result.failed else {})
            for result in message.results
        ],
    }


def _block(block: dict[str, Any], calls: Iterator[Call]) -> dict[str, Any]:
    """Return one block of a reply as it was sent, but a tool call with the id and arguments we gave it."""
    if block["type"] != "tool_use":
        return dict(block)
    call = next(calls)
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _call(block: dict[str, Any]) -> Call:
    identifier, name, arguments = str(block.get("id") or ""), str(block.get("name") or ""), block.get("input")
    if isinstance(arguments, dict):
        return Call(identifier, name, arguments)
    return Call(identifier, name, {"unreadable": str(arguments)}, "the input is not a JSON object")


def _usage(usage: object) -> Usage | None:
    """Return the usage in our form: Anthropic's `input_tokens` excludes what the cache took, so it is added."""
    if not isinstance(usage, dict) or not isinstance(usage.get("input_tokens"), int):
        return None
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return Usage(
        requests=1,
        input_tokens=count(usage["input_tokens"]) + read + written,
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
