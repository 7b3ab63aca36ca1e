"""Offers a project's checks to any client of the Model Context Protocol: standard library only, Python 3.8 or newer.

Started in the project's root with one argument, a JSON object of programs by check (`test`, `diagnostics`, `lint`,
`format`, `build`); speaks MCP's stdio transport: one JSON-RPC 2.0 message a line. A client may ask for several calls at
once and cancel any of them.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

PROTOCOLS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
MAX_OUTPUT = 30_000
"""Characters of a program's output that are given back: the end says most, so two thirds are kept from there."""
MAX_LINE = 4 * 1024 * 1024
DEFAULT_S, MOST_S = 600.0, 3600.0
PATHS = {"type": "array", "items": {"type": "string"}}
TIMEOUT = {"type": "number", "exclusiveMinimum": 0, "maximum": MOST_S, "description": "Seconds until it is killed."}
TOOLS = {
    "run_tests": ("test", "Run tests with the project's runner. The end of the output says what failed.",
                  {"targets": dict(PATHS, description="Files, folders or test ids; none: all tests.")}),
    "diagnostics": ("diagnostics", "Find type errors, unknown names and the like.",
                    {"paths": dict(PATHS, description="Files or folders; none: the whole project.")}),
    "lint": ("lint", "Run the project's linter.",
             {"paths": dict(PATHS, description="Files or folders; none: the whole project.")}),
    "format": ("format", "Format files as the project does, in place.",
               {"paths": dict(PATHS, description="Files or folders.")}),
    "build": ("build", "Build or compile the project.", {}),
}  # fmt: skip


class Server:
    """One client's session."""

    def __init__(self, programs, write):
        """`programs` are argv by check; `write` sends one message."""
        self.tools = {name: tool for name, tool in TOOLS.items() if programs.get(tool[0])}
        self.programs = programs
        self.write = write
        self.running = {}
        self.lock = threading.Lock()

    def hear(self, message):
        """Answer one message."""
        if not isinstance(message, dict):
            self.fail(None, -32600, "not a request")
            return
        number, method = message.get("id"), message.get("method")
        params = message.get("params") if isinstance(message.get("params"), dict) else {}
        if method == "notifications/cancelled":
            self.cancel(params.get("requestId"))
        elif number is None:
            return  # other notifications ask nothing of us
        elif method == "initialize":
            self.reply(number, self.introduction(params))
        elif method == "ping":
            self.reply(number, {})
        elif method == "tools/list":
            self.reply(number, {"tools": self.listed()})
        elif method == "tools/call":
            threading.Thread(target=self.call, args=(number, params), daemon=True).start()
        elif method is not None:
            self.fail(number, -32601, f"no such method: {method}")

    def introduction(self, params):
        """Return what `initialize` is answered with."""
        asked = params.get("protocolVersion")
        return {
            "protocolVersion": asked if asked in PROTOCOLS else PROTOCOLS[0],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "worktrial-verify", "version": "1"},
            "instructions": "Checks of this project. Use them before you say that the work is done.",
        }

    def listed(self):
        """Return the tools there are."""
        return [
            {
                "name": name,
                "description": text,
                "inputSchema": {"type": "object", "properties": dict(properties, timeout_s=TIMEOUT)},
            }
            for name, (_, text, properties) in self.tools.items()
        ]

    def call(self, number, params):
        """Run one tool and answer; what the program says is the answer, whatever its exit code."""
        tool = self.tools.get(params.get("name"))
        arguments = params.get("arguments")
        arguments = arguments if isinstance(arguments, dict) else {}
        if tool is None:
            self.fail(number, -32602, f"no such tool: {params.get('name')}")
            return
        words = arguments.get("targets", arguments.get("paths", []))
        timeout_s = arguments.get("timeout_s", DEFAULT_S)
        if not isinstance(words, list) or not all(isinstance(word, str) and "\0" not in word for word in words):
            self.say(number, "error: targets and paths are lists of strings", failed=True)
            return
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not 0 < timeout_s <= MOST_S:
            self.say(number, f"error: timeout_s is a number of seconds up to {MOST_S:.0f}", failed=True)
            return
        try:
            text, failed = self.run(number, [*self.programs[tool[0]], *words], timeout_s)
        except OSError as error:
            text, failed = f"error: could not start {self.programs[tool[0]][0]}: {error.strerror}", True
        if text is not None:
            self.say(number, text, failed=failed)

    def run(self, number, argv, timeout_s):
        """Run a program and return what to say of it; None when it was cancelled, which is not answered."""
        started = time.monotonic()
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            with self.lock:
                self.running[number] = process
            try:
                code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                code = None
            kill(process)
            with self.lock:
                cancelled = self.running.pop(number, None) is None
            said = tail(output)
        if cancelled:
            return None, False
        if code is None:
            return f"killed after {time.monotonic() - started:.0f} s: it took too long\n{said}", True
        return f"exit code: {code}\n{said}", False

    def cancel(self, number):
        """Kill what was started for a call; it is not answered any more."""
        with self.lock:
            process = self.running.pop(number, None)
        if process is not None:
            kill(process)

    def end(self):
        """Kill all that runs."""
        with self.lock:
            left, self.running = list(self.running.values()), {}
        for process in left:
            kill(process)

    def say(self, number, text, failed):
        """Answer a call."""
        self.reply(number, {"content": [{"type": "text", "text": text}], "isError": failed})

    def reply(self, number, result):
        """Answer a request."""
        self.write({"jsonrpc": "2.0", "id": number, "result": result})

    def fail(self, number, code, text):
        """Answer a request that cannot be met."""
        self.write({"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}})


def kill(process):
    """Kill a program and all it started in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(output):
    """Return the beginning and the end of a file of output."""
    size = output.seek(0, os.SEEK_END)
    output.seek(0)
    head = output.read(MAX_OUTPUT // 3)
    if size <= MAX_OUTPUT:
        return (head + output.read()).decode("utf-8", "replace")
    output.seek(size - MAX_OUTPUT * 2 // 3)
    cut = f"\n[... {size - MAX_OUTPUT} bytes cut ...]\n"
    return head.decode("utf-8", "replace") + cut + output.read().decode("utf-8", "replace")


def main():
    """Serve the client on standard input until it goes away."""
    lock = threading.Lock()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a program prints must not get between the messages

    def write(message):
        with lock:
            out.write(json.dumps(message).encode() + b"\n")
            out.flush()

    server = Server(json.loads(sys.argv[1]), write)
    try:
        while True:
            line = sys.stdin.buffer.readline(MAX_LINE)
            if not line:
                return
            if not line.strip():
                continue
            try:
                message = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                server.fail(None, -32700, "not JSON")
                continue
            server.hear(message)
    except BrokenPipeError:
        pass
    finally:
        server.end()


if __name__ == "__main__":
    main()
