"""One session with a language server: start it, ask, end it. Standard library only; runs inside the sandbox.

A session per call costs a tenth of a second with a fast server, and never answers from files as they were before.
"""

import contextlib
import json
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_MESSAGE = 64 * 1024 * 1024
NAME_WITHIN = 30
"""Lines from the beginning of a definition within which its name is looked for."""


class ServerError(Exception):
    """The language server gave no answer: the next layer is asked."""


class Session:
    """A language server over standard input and output (Language Server Protocol 3.17)."""

    def __init__(self, argv, root, language, within_s):
        """Start the server of `language` on the folder `root`; all of the session ends after `within_s` seconds."""
        self.root = Path(root)
        self.language = language
        try:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
            )
        except OSError as error:
            raise ServerError(str(error)) from error
        self.timer = threading.Timer(within_s, self.process.kill)
        self.timer.start()
        self.number = 0
        self.opened = {}

    def __enter__(self):
        """Introduce ourselves."""
        try:
            self._introduce()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _introduce(self):
        document = {"definition": {}, "references": {}, "diagnostic": {}, "documentSymbol": {}}
        document["documentSymbol"]["hierarchicalDocumentSymbolSupport"] = True
        answer = self.ask(
            "initialize",
            {
                "processId": None,
                "rootUri": self.root.as_uri(),
                "workspaceFolders": [{"uri": self.root.as_uri(), "name": self.root.name}],
                "capabilities": {"textDocument": document, "workspace": {"symbol": {}}},
            },
        )
        self.able = answer.get("capabilities", {}) if isinstance(answer, dict) else {}
        self.tell("initialized", {})

    def __exit__(self, *_):
        """End the server, whatever it is doing."""
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()

    def tell(self, method, params):
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def ask(self, method, params):
        """Return the result of a request. Raises `ServerError`."""
        self.number += 1
        number = self.number
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                if "error" in message:
                    raise ServerError(str(message["error"])[:300])
                return message.get("result")
            if "id" in message and "method" in message:  # it asks us; we have no settings to give
                items = message.get("params", {}).get("items", []) if isinstance(message.get("params"), dict) else []
                result = [None] * len(items) if message["method"] == "workspace/configuration" else None
                self._send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def open(self, path):
        """Show a file to the server and return what names it in requests."""
        uri = (self.root / path).as_uri()
        if path not in self.opened:
            text = (self.root / path).read_text(encoding="utf-8", errors="replace")
            self.opened[path] = text
            item = {"uri": uri, "languageId": self.language, "version": 1, "text": text}
            self.tell("textDocument/didOpen", {"textDocument": item})
        return {"uri": uri}

    def _send(self, message):
        data = json.dumps(message).encode()
        try:
            self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
            self.process.stdin.flush()
        except OSError as error:
            raise ServerError("the server has ended") from error

    def _receive(self):
        length = 0
        while True:
            line = self.process.stdout.readline(1000)
            if not line.endswith(b"\n"):
                raise ServerError("the server ended, or took too long")
            name, _, value = line.partition(b":")
            if not line.strip():
                break
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if not 0 < length <= MAX_MESSAGE:
            raise ServerError(f"the server sent a message of {length} bytes")
        data = self.process.stdout.read(length)
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ServerError("the server sent no JSON") from error
        if not isinstance(message, dict):
            raise ServerError("the server sent no message")
        return message


KINDS = {
    1: "file", 2: "module", 3: "namespace", 5: "class", 6: "method", 7: "property", 8: "field", 9: "constructor",
    10: "enum", 11: "interface", 12: "function", 13: "variable", 14: "constant", 22: "member", 23: "struct",
    26: "type",
}  # fmt: skip
"""SymbolKind of the protocol, those that a reader wants to see."""


def outline(session, path):
    """Return (depth, kind, name, first line, last line) of the symbols in a file."""
    found = session.ask("textDocument/documentSymbol", {"textDocument": session.open(path)})
    rows = []

    def walk(symbols, depth):
        for symbol in symbols or []:
            kind = KINDS.get(symbol.get("kind"))
            span = symbol.get("range") or symbol.get("location", {}).get("range")
            if kind and span:
                rows.append((depth, kind, symbol["name"], span["start"]["line"] + 1, span["end"]["line"] + 1))
            if depth < 8:
                walk(symbol.get("children"), depth + 1)

    walk(found, 0)
    return rows


def places(session, method, path, line, column):
    """Return (path, line) of what is found for the symbol at a place: `definition` or `references`."""
    params = {"textDocument": session.open(path), "position": {"line": line - 1, "character": column}}
    if method == "references":
        params["context"] = {"includeDeclaration": True}
    found = session.ask("textDocument/" + method, params)
    if isinstance(found, dict):
        found = [found]
    return [place for place in (in_root(session, one) for one in found or []) if place]


def named(session, name):
    """Return (path, line, column) of every definition in the workspace that has exactly this name."""
    rows = []
    for symbol in session.ask("workspace/symbol", {"query": name}) or []:
        if symbol.get("name") != name:
            continue
        place = in_root(session, symbol.get("location", {}))
        if place is None:
            continue
        path, first = place
        session.open(path)
        # What is given may begin with decorators and comments.
        for line in range(first, first + NAME_WITHIN):
            column = column_of(session.opened[path], line, name)
            if column is not None:
                rows.append((path, line, column))
                break
    return rows


def in_root(session, location):
    """Return path and line of a location, or None when it lies outside of the workspace."""
    uri = location.get("uri") or location.get("targetUri") or ""
    span = location.get("range") or location.get("targetSelectionRange")
    path = Path(unquote(urlsplit(uri).path))
    try:
        return str(path.relative_to(session.root.resolve())), span["start"]["line"] + 1
    except (ValueError, TypeError, KeyError):
        return None


def column_of(text, line, name):
    """Return where `name` stands in a line as a word of its own, UTF-16 units as the protocol counts; None: nowhere."""
    lines = text.splitlines()
    if not 0 < line <= len(lines):
        return None
    match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", lines[line - 1])
    return None if match is None else len(lines[line - 1][: match.start()].encode("utf-16-le")) // 2


def diagnostics(session, path):
    """Return (line, severity, code, message) of what the server says is wrong with a file."""
    found = session.ask("textDocument/diagnostic", {"textDocument": session.open(path)})
    rows = []
    for item in (found or {}).get("items", []):
        severity = {1: "error", 2: "warning", 3: "note"}.get(item.get("severity", 1))
        if severity is not None:  # hints are of style
            said = item.get("message", "").partition("\n")[0]
            rows.append((item["range"]["start"]["line"] + 1, severity, item.get("code") or "", said))
    return rows
