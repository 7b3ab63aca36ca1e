"""OpenAI Responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.tools.model_server.script import Turn
from tests.tools.model_server.wire import Asked, bearer, event, pieces, runs, words

_OUTPUT = ("reasoning", "function_call", "custom_tool_call", "local_shell_call")


class OpenAIResponses:
    """`POST …/responses`."""

    def key(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        return bearer(headers)

    def asked(self, path: str, headers: Mapping[str, str], body: dict[str, Any]) -> Asked:
        given = body.get("input") or []
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        # What a harness tells the model about itself is a message of the user too, in tags: the prompt is not.
        said = [words(item.get("content")) for item in items if item.get("role") == "user"]
        return Asked(
            model=str(body.get("model")),
            stream=bool(body.get("stream")),
            tools=tuple(body.get("tools") or ()),
            prompt=next((text for text in said if not text.lstrip().startswith(("<", "# AGENTS.md"))), ""),
            index=runs(item.get("role") == "assistant" or item.get("type") in _OUTPUT for item in items),
            wrong=_wrong(body, items),
        )

    def answer(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
        cut = turn.stop == "length"
        answer: dict[str, Any] = _response(asked) | {
            "status": "incomplete" if cut else "completed",
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": _items(turn, asked),
        }
        if turn.usage is not None:
            used = turn.usage
            answer["usage"] = {
                "input_tokens": used.input,
                "input_tokens_details": {"cached_tokens": used.cache_read},
                "output_tokens": used.output,
                "output_tokens_details": {"reasoning_tokens": used.reasoning},
                "total_tokens": used.input + used.output,
            }
        return answer

    def events(self, turn: Turn, asked: Asked, body: dict[str, Any]) -> list[bytes]:
        sent: list[bytes] = []

        def send(kind: str, **more: Any) -> None:
            sent.append(event({"type": kind, "sequence_number": len(sent), **more}, kind))

        begun = _response(asked) | {"status": "in_progress", "output": []}
        send("response.created", response=begun)
        send("response.in_progress", response=begun)
        for index, item in enumerate(_items(turn, asked)):
            at = {"item_id": item["id"], "output_index": index}
            send("response.output_item.added", output_index=index, item=_empty(item))
            if item["type"] == "message":
                part = {"type": "output_text", "text": "", "annotations": []}
                send("response.content_part.added", **at, content_index=0, part=part)
                for piece in pieces(turn.text):
                    send("response.output_text.delta", **at, content_index=0, delta=piece)
                send("response.output_text.done", **at, content_index=0, text=turn.text)
                send("response.content_part.done", **at, content_index=0, part=part | {"text": turn.text})
            else:
                custom = item["type"] == "custom_tool_call"
                name, field = (
                    ("custom_tool_call_input", "input") if custom else ("function_call_arguments", "arguments")
                )
                for piece in pieces(item[field]):
                    send(f"response.{name}.delta", **at, delta=piece)
                send(f"response.{name}.done", **at, **{field: item[field]})
            send("response.output_item.done", output_index=index, item=item)
        last = self.answer(turn, asked, body)
        send(f"response.{last['status']}", response=last)
        return sent

    def error(self, kind: str, message: str, status: int) -> dict[str, Any]:
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def error_event(self, message: str) -> bytes:
        failed = {"id": "resp", "status": "failed", "error": {"code": "server_error", "message": message}}
        return event({"type": "response.failed", "response": failed}, "response.failed")


def _response(asked: Asked) -> dict[str, Any]:
    return {"id": f"resp_{asked.index}", "object": "response", "created_at": 0, "model": asked.model, "error": None}


def _items(turn: Turn, asked: Asked) -> list[dict[str, Any]]:
    """Return the output items: the text first, then the calls, in the form the tool was declared in."""
    items: list[dict[str, Any]] = []
    if turn.text or not turn.calls:
        kind = "refusal" if turn.stop == "refused" else "output_text"
        field = "refusal" if turn.stop == "refused" else "text"
        content = [{"type": kind, field: turn.text, "annotations": []}]
        identifier = f"msg_{asked.index}"
        items.append(
            {"id": identifier, "type": "message", "role": "assistant", "status": "completed", "content": content}
        )
    custom = {tool.get("name") for tool in asked.tools if tool.get("type") == "custom"}
    for i, call in enumerate(turn.calls):
        identifier = f"call_{asked.index}_{i}" if call.id is None else call.id
        one = {"id": f"fc_{asked.index}_{i}", "call_id": identifier, "name": call.name, "status": "completed"}
        if call.name in custom:
            items.append(one | {"type": "custom_tool_call", "input": call.text})
        else:
            items.append(one | {"type": "function_call", "arguments": call.text})
    return items


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    cleared = {"content": [], "arguments": "", "input": ""}
    return item | {"status": "in_progress"} | {key: value for key, value in cleared.items() if key in item}


def _wrong(body: dict[str, Any], items: list[dict[str, Any]]) -> str:
    """Return what OpenAI would complain of; empty when nothing."""
    if not isinstance(body.get("model"), str) or not items:
        return "you must provide a model and input"
    asked = [item["call_id"] for item in items if item.get("type") in ("function_call", "custom_tool_call")]
    given = [
        item["call_id"] for item in items if item.get("type") in ("function_call_output", "custom_tool_call_output")
    ]
    missing = sorted(set(asked) ^ set(given))
    return f"tool calls without an output, or outputs without a call: {missing}" if missing else ""
