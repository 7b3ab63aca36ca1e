"""The navigation tools of the ide agent. This folder runs inside the sandbox: standard library, and what it is shown.

One JSON object on standard input: {"tool", "arguments", "servers": {language: argv}, "path": [folders of packages]};
one JSON object goes to standard output, as the last line: {"ok", "text": what the model is shown, "layer": who served
it: `language_server`, `tree_sitter` or `plain`}.
"""

import json
import os
import sys
from pathlib import Path

import knowledge
import plain
import server
import trees

LANGUAGES = {".py": "python", ".pyi": "python"}
SERVER_S = 60.0
MAX_ROWS = 200


class WrongError(Exception):
    """A call that cannot be done; the model is told why."""


class Tools:
    """The tools on one workspace: each asks the language server first, then the syntax tree, then plain text."""

    def __init__(self, root, servers):
        self.root = root
        self.servers = servers
        self.layer = "plain"

    def by_layers(self, *layers):
        """Return what the first layer that can answer says. Each is a name and a function."""
        for name, function in layers:
            try:
                found = function()
            except (server.ServerError, trees.NoTreesError):
                continue
            if found or name == layers[-1][0]:
                self.layer = name
                return found
        return None

    def session(self, language):
        """Return a session with the server of a language. Raises `ServerError` when there is none."""
        if language not in self.servers:
            raise server.ServerError(f"no server for {language}")
        return server.Session(self.servers[language], self.root, language, SERVER_S)

    def checked(self, path):
        """Return a path relative to the workspace that names a file in it."""
        whole = Path(self.root, path)
        if not whole.is_file():
            raise WrongError(f"there is no file {path}")
        return os.path.relpath(whole, self.root)

    def outline(self, path):
        """Show the symbols of a file."""
        path = self.checked(path)

        def asked():
            with self.session(LANGUAGES.get(Path(path).suffix, "")) as session:
                return server.outline(session, path)

        rows = self.by_layers(
            ("language_server", asked),
            ("tree_sitter", lambda: trees.outline(self.root, path)),
            ("plain", lambda: plain.outline(self.root, path)),
        )
        if not rows:
            return f"no symbols in {path}"
        rows = [row for row in rows if row[0] < 2 or row[1] not in ("variable", "constant")]
        lines = [f"{'  ' * depth}{kind} {name}  [{first}-{last}]" for depth, kind, name, first, last in rows]
        return shortened(lines)

    def definition(self, symbol, path="", line=0):
        """Show where a symbol is defined."""
        return self.shown(self.by_layers(
            ("language_server", lambda: self.ask_server("definition", symbol, path, line)),
            ("tree_sitter", lambda: trees.definitions(self.root, last(symbol))),
            ("plain", lambda: plain.definitions(self.root, last(symbol))),
        ), f"no definition of {symbol} was found", context=3)  # fmt: skip

    def references(self, symbol, path="", line=0):
        """Show where a symbol is used."""
        return self.shown(self.by_layers(
            ("language_server", lambda: self.ask_server("references", symbol, path, line)),
            ("tree_sitter", lambda: trees.references(self.root, last(symbol))),
            ("plain", lambda: plain.references(self.root, last(symbol))),
        ), f"no use of {symbol} was found", context=0)  # fmt: skip

    def ask_server(self, method, symbol, path, line):
        """Ask every language's server there is for a symbol, at a place if one is given."""
        found = {}
        for language in self.servers:
            with self.session(language) as session:
                name = last(symbol)
                if path and line:
                    path = self.checked(path)
                    column = server.column_of(plain.text_of(self.root, path), line, name)
                    if column is None:
                        raise WrongError(f"line {line} of {path} does not name {name}")
                    starts = [(path, line, column)]
                else:
                    starts = server.named(session, name)
                for start_path, start_line, column in starts:
                    if method == "definition" and not (path and line):
                        found[start_path, start_line] = None
                        continue
                    for place in server.places(session, method, start_path, start_line, column):
                        found[place] = None
        return list(found)

    def diagnostics(self, path):
        """Show what is wrong with a file."""
        path = self.checked(path)

        def asked():
            with self.session(LANGUAGES.get(Path(path).suffix, "")) as session:
                return server.diagnostics(session, path)

        def parsed():
            rows = plain.diagnostics(self.root, path)
            if rows is None:
                raise WrongError(f"nothing here can check {path}")
            return rows

        rows = self.by_layers(("language_server", asked), ("plain", parsed))
        if not rows:
            return f"no problems found in {path}"
        return shortened([f"{path}:{number}: {level} {code} {said}" for number, level, code, said in rows])

    def knowledge(self, query):
        """Show what the project's documents, comments and docstrings say of something."""
        found = knowledge.search(self.root, query)
        if not found:
            return "nothing in the project speaks of that"
        return "\n\n".join(f"{path}:{line}\n{text[:1500]}" for _, path, line, text in found)

    def shown(self, places, nothing, context):
        """Return places with the lines that stand there."""
        if not places:
            return nothing
        lines = []
        for path, line in sorted(places)[:MAX_ROWS]:
            text = plain.text_of(self.root, path).splitlines()
            lines.append(f"{path}:{line}: {text[line - 1].strip() if line <= len(text) else ''}")
            lines += ["    " + one for one in text[line : line + context]]
        if len(places) > MAX_ROWS:
            lines.append(f"[and {len(places) - MAX_ROWS} more]")
        return "\n".join(lines)


def last(symbol):
    """Return the last part of a dotted name."""
    return symbol.replace("::", ".").rsplit(".", 1)[-1].strip("()")


def shortened(lines, most=2 * MAX_ROWS):
    """Return lines as text, cut when there are very many."""
    return "\n".join(lines[:most] + ([f"[and {len(lines) - most} more]"] if len(lines) > most else []))


def main():
    """Answer the one call on standard input."""
    asked = json.load(sys.stdin)
    sys.path += asked["path"]
    tools = Tools(os.getcwd(), asked["servers"])
    try:
        text, ok = getattr(tools, asked["tool"])(**asked["arguments"]), True
    except WrongError as error:
        text, ok = str(error), False
    except OSError as error:
        text, ok = f"{error.filename}: {error.strerror}", False
    print(json.dumps({"ok": ok, "text": text, "layer": tools.layer}))


if __name__ == "__main__":
    main()
