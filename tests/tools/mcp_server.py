"""A small MCP server on standard input and output, standard library only: one tool that tells a number.

`python mcp_server.py [--die]`: with `--die` it ends as soon as it is asked anything.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

TOOL = {
    "name": "tell_number",
    "description": "Tell the number.",
    "inputSchema": {"type": "object", "properties": {}, "additionalProperties": False},
}


def answer(request: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a request is answered with, None for a notification."""
    method, params = request.get("method"), request.get("params") or {}
    if "id" not in request:
        return None
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "numbers", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"the number is {os.environ.get('NUMBER', '7')}"}]}
    return {} if method == "ping" else {"resources": [], "prompts": [], "resourceTemplates": []}


def main() -> None:
    """Answer until standard input ends."""
    for line in sys.stdin:
        if "--die" in sys.argv:
            sys.exit(1)
        request = json.loads(line)
        if (result := answer(request)) is not None:
            sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
