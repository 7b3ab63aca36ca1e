"""OpenAI Chat Completions, as its many compatible servers speak it: `POST …/chat/completions`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worktrial.formats.gateway import Api
from worktrial.gateway.meters import StreamMeter, WholeMeter
from worktrial.gateway.reading import Asked, Call, Meter, Reading, Tokens, count, error_text, items, mapping, text

_INJECTED = b'{"stream_options":{"include_usage":true},'
_OWN_TOOLS = ("function", "custom", "")
"""Types of tools that the agent runs."""
_KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class OpenAIChat:
    """The protocol."""

    api: Api = "openai_chat"
    provider = "openai"
    key_header = "bearer"

    def ask(self, body: Mapping[str, Any], path: str) -> Asked:
        """Read a request."""
        model = text(body.get("model"))
        if not model:
            raise ValueError("you must provide a model parameter")
        tools = items(body.get("tools")) + items(body.get("functions"))
        found = [text(tool.get("type")) for tool in tools if _is_server_tool(tool)]
        if "web_search_options" in body:
            found.append("web_search_options")
        if model.endswith("-search-preview") or "-search-preview-" in model:
            found.append(model)  # the model is the tool
        return Asked(model, body.get("stream") is True, len(tools), tuple(found))

    def strip(self, body: dict[str, Any]) -> bool:
        """Take the provider's tools out; a model that is one cannot be asked without."""
        if "-search-preview" in text(body.get("model")):
            return False
        body.pop("web_search_options", None)
        return strip_tools(body, _is_server_tool)

    def rename(self, body: dict[str, Any], path: str, model: str) -> str:
        """Ask for another model."""
        body["model"] = model
        return path

    def url(self, base_url: str, path: str) -> str:
        """Return the upstream's address: its base holds the `/v1`, or whatever it has in its place."""
        return base_url.rstrip("/").removesuffix("/chat/completions") + "/" + path[openai_tail(path) :]

    def meter(self, *, stream: bool) -> Meter:
        """Return a meter for one answer."""
        return StreamMeter(_note_chunk) if stream else WholeMeter(_note_completion)

    def error(self, status: int, message: str) -> dict[str, Any]:
        """Return an error in the protocol's shape."""
        return openai_error(status, message)


def with_usage(raw: bytes, body: dict[str, Any]) -> bytes | None:
    """Return a streamed request that asks for its usage, else as it is; None: it does so already."""
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage") is True:
        return None
    if "stream_options" not in body and raw.lstrip()[:1] == b"{" and body:
        return _INJECTED + raw.lstrip()[1:]
    return json.dumps({**body, "stream_options": {**mapping(options), "include_usage": True}}).encode()


def openai_error(status: int, message: str) -> dict[str, Any]:
    """Return an error as OpenAI's protocols have it."""
    kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}


def openai_tail(path: str) -> int:
    """Return where in a path the part begins that follows a base URL."""
    at = path.rfind("/v1/")
    if at >= 0:
        return at + 4
    for tail in ("chat/completions", "responses", "models"):
        found = path.rfind("/" + tail)
        if found >= 0:
            return found + 1
    return 1


def strip_tools(body: dict[str, Any], is_server_tool: Any) -> bool:
    """Take tools out of `tools`; False when what is left makes no sense: a choice is forced that is no more."""
    if not isinstance(body.get("tools"), list):
        return True
    kept = [tool for tool in body["tools"] if not (isinstance(tool, dict) and is_server_tool(tool))]
    if len(kept) == len(body["tools"]):
        return True
    choice = body.get("tool_choice")
    forced = choice not in (None, "auto", "none")
    if forced and (not kept or (isinstance(choice, dict) and is_server_tool(choice))):
        return False
    body["tools"] = kept
    if not kept:
        del body["tools"]
        body.pop("tool_choice", None)
        body.pop("parallel_tool_calls", None)
    return True


def _is_server_tool(tool: dict[str, Any]) -> bool:
    return text(tool.get("type")) not in _OWN_TOOLS


def _note_completion(reading: Reading, body: dict[str, Any]) -> None:
    """Read a whole answer."""
    reading.model = text(body.get("model"))
    choices = items(body.get("choices"))
    if not choices:
        reading.malformed = not body.get("error")
        return
    for choice in choices:
        message = mapping(choice.get("message"))
        _note_message(reading, message)
        reading.calls += [_call(one) for one in items(message.get("tool_calls"))]
        if isinstance(choice.get("finish_reason"), str):
            reading.finish_reasons.append(choice["finish_reason"])
    _note_usage(reading, mapping(body.get("usage")))
    reading.complete = True


def _note_chunk(reading: Reading, body: dict[str, Any]) -> None:
    reading.model = reading.model or text(body.get("model"))
    for choice in items(body.get("choices")):
        delta = mapping(choice.get("delta"))
        _note_message(reading, delta)
        for one in items(delta.get("tool_calls")):
            _note_call(reading, one)
        if isinstance(choice.get("finish_reason"), str):
            reading.finish_reasons.append(choice["finish_reason"])
            reading.complete = True  # [DONE] should follow, but not all servers send it
    _note_usage(reading, mapping(body.get("usage")))
    if body.get("error"):
        reading.error = error_text(body)


def _note_message(reading: Reading, message: dict[str, Any]) -> None:
    content = message.get("content")
    if isinstance(content, list):
        reading.text += [text(part.get("text")) for part in items(content)]
    elif content or message.get("refusal"):
        reading.text.append(text(content) or text(message.get("refusal")))
    if reasoning := text(message.get("reasoning_content")) or text(message.get("reasoning")):
        reading.reasoning.append(reasoning)


def _note_call(reading: Reading, piece: dict[str, Any]) -> None:
    """Add a piece of a call: the first has the name, all of one call the same index."""
    function = mapping(piece.get("function"))
    index = piece.get("index")
    # Some servers give no index, and every call whole.
    position = index if isinstance(index, int) and 0 <= index <= len(reading.calls) else len(reading.calls)
    if position == len(reading.calls):
        if not function.get("name") and reading.calls:
            position -= 1
        else:
            reading.calls.append(Call(text(piece.get("id")), ""))
    call = reading.calls[position]
    call.name = call.name or text(function.get("name"))
    call.pieces.append(_as_text(function.get("arguments")))


def _call(call: dict[str, Any]) -> Call:
    if call.get("type") == "custom":
        custom = mapping(call.get("custom"))
        return Call(text(call.get("id")), text(custom.get("name")), [text(custom.get("input"))], free_form=True)
    function = mapping(call.get("function"))
    return Call(text(call.get("id")), text(function.get("name")), [_as_text(function.get("arguments"))])


def _as_text(arguments: object) -> str:
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _note_usage(reading: Reading, usage: dict[str, Any]) -> None:
    """Read the usage. `prompt_tokens` includes the cached ones, `completion_tokens` the reasoning."""
    if not isinstance(usage.get("prompt_tokens"), int):
        return
    into, out = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    read = into.get("cached_tokens") if into else usage.get("prompt_cache_hit_tokens")
    total = count(usage["prompt_tokens"])
    reasoning = out.get("reasoning_tokens")
    reading.tokens = Tokens(
        input=total,
        output=count(usage.get("completion_tokens")),
        cache_read=min(count(read), total),
        cache_write=min(count(into.get("cache_write_tokens")), total),
        reasoning=count(reasoning) if isinstance(reasoning, int) else None,
    )
    reading.final = True
    reading.raw_usage = usage
    cost = usage.get("cost")  # OpenRouter's, and of other gateways
    if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0:
        reading.cost_usd = float(cost)
