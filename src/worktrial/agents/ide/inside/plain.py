"""The layer that always works: Python's own parser for Python, patterns for everything else. Standard library only."""

import ast
import re
from pathlib import Path

SKIPPED = {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".mypy_cache", ".pytest_cache"}
MAX_FILE = 2 * 1024 * 1024
DEFINES = re.compile(
    r"^\s*(?:export\s+|default\s+|pub(?:\([^)]*\))?\s+|public\s+|private\s+|protected\s+|static\s+|async\s+|abstract\s+"
    r"|final\s+|unsafe\s+|const\s+)*"
    r"(?P<kind>class|def|function|func|fn|struct|enum|trait|interface|type|impl|module|macro_rules!|const|let|var)\s+"
    r"(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*)"
)
"""A line that defines something in most languages with keywords for it; Go's receivers included."""
CODE = {
    ".py", ".pyi", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".go", ".rs", ".java", ".kt", ".rb", ".php", ".c",
    ".h", ".cc", ".cpp", ".hpp", ".cs", ".swift", ".scala", ".sh", ".lua", ".ex", ".exs",
}  # fmt: skip


def files(root, suffixes=None):
    """Yield the paths of files below `root`, relative to it, in order; of these suffixes when given."""
    for path in sorted(Path(root).rglob("*")):
        parts = path.relative_to(root).parts
        if not SKIPPED.isdisjoint(parts) or (suffixes is not None and path.suffix not in suffixes):
            continue
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= MAX_FILE:
            yield str(path.relative_to(root))


def text_of(root, path):
    """Return a file's text."""
    return (Path(root) / path).read_text(encoding="utf-8", errors="replace")


def outline(root, path):
    """Return (depth, kind, name, first line, last line) of the symbols in a file."""
    text = text_of(root, path)
    if path.endswith((".py", ".pyi")):
        try:
            return python_outline(ast.parse(text))
        except (SyntaxError, ValueError, RecursionError):
            pass
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        match = DEFINES.match(line)
        if match and match["kind"] not in ("const", "let", "var"):
            depth = (len(line) - len(line.lstrip())) // 4
            rows.append((depth, match["kind"], match["name"], number, number))
    return rows


def python_outline(tree, depth=0):
    """Return the rows of a Python module's classes, functions and module-level names."""
    rows = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            kind = "class" if isinstance(node, ast.ClassDef) else "method" if depth else "function"
            rows.append((depth, kind, node.name, node.lineno, node.end_lineno))
            if isinstance(node, ast.ClassDef) and depth < 8:
                rows += python_outline(node, depth + 1)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and depth == 0:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            rows += [
                (0, "variable", one.id, node.lineno, node.end_lineno) for one in targets if isinstance(one, ast.Name)
            ]
    return rows


def definitions(root, name):
    """Return (path, line) of every definition of this name."""
    found = []
    for path in files(root, CODE):
        if name not in text_of(root, path):
            continue
        found += [(path, first) for _, _, called, first, _ in outline(root, path) if called == name]
    return found


def references(root, name):
    """Return (path, line) of every line with the name as a word of its own."""
    word = re.compile(rf"(?<![\w$]){re.escape(name)}(?![\w$])")
    found = []
    for path in files(root, CODE):
        for number, line in enumerate(text_of(root, path).splitlines(), 1):
            if word.search(line):
                found.append((path, number))
    return found


def diagnostics(root, path):
    """Return (line, severity, code, message) of what is wrong with a file: its syntax, where we can parse it."""
    if not path.endswith((".py", ".pyi")):
        return None
    try:
        ast.parse(text_of(root, path))
    except SyntaxError as error:
        return [(error.lineno or 1, "error", "syntax", error.msg)]
    except (ValueError, RecursionError) as error:
        return [(1, "error", "syntax", str(error))]
    return []
