"""What the syntax of a Python file tells: which lines can be run, whether code changed."""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<of>[\w.]+)[ \t]+import[ \t]+(?P<names>[^\n#]*)|import[ \t]+(?P<whole>[^\n#]*))",
    re.MULTILINE,
)
_LOCK = threading.Lock()


def parse(text: str) -> ast.Module:
    """Parse, one thread at a time, without a word about odd escapes: they are the repository's, not ours.

    Raises what `ast.parse` raises on text that is not Python: `SyntaxError`, `ValueError`, `RecursionError` or
    `MemoryError`. Before 3.11.8 and 3.12.2, Python counts the depth of a tree for all threads together, and two that
    parse at once may end in a `SystemError` (python/cpython#106905); filters of warnings are of all threads too.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def same_code(path: str, before: str, after: str) -> bool:
    """Tell whether two versions of a file differ in nothing but comments; False for what is not Python."""
    if not path.endswith((".py", ".pyi")):
        return False
    try:
        return ast.dump(parse(before)) == ast.dump(parse(after))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def imported(path: str, text: str, source: Collection[str]) -> int:
    """Return how many of the modules in `source` have a name that `text` imports; see `Language.imported`."""
    del path
    named = {word for found in _IMPORT.finditer(text) for part in found.groups("") for word in re.findall(r"\w+", part)}
    return len(named & {_module(one) for one in source if one.endswith(".py")})


def _module(path: str) -> str:
    pure = PurePosixPath(path)
    return pure.parent.name if pure.stem == "__init__" else pure.stem


def runnable_lines(path: str, text: str, lines: Collection[int]) -> tuple[int, ...]:
    """Return the first lines of the statements that any of `lines` belongs to; see `Language.runnable_lines`.

    Lines count from 1. A statement over several lines goes by its first one, as coverage.py reports it; a compound
    statement owns its header alone. Blank lines, comments, docstrings and what only a type checker sees own nothing.
    Files other than Python have no line that can be told apart: the answer is empty.
    """
    if not path.endswith((".py", ".pyw")):
        return ()
    wanted = {line for line in lines if line > 0}
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # Another version's syntax: the best answer left is by the look of each line.
        return tuple(
            number
            for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1)
            if number in wanted and line.strip() and not line.lstrip().startswith("#")
        )
    return tuple(sorted({start for start, end in _statements(tree) if any(n in wanted for n in range(start, end + 1))}))


def _statements(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield first and last line of every runnable statement, a compound statement's without its body."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for name, value in ast.iter_fields(node):
            if not isinstance(value, list) or (name == "body" and _for_checkers_only(node)):
                continue
            inner = [item for item in value if isinstance(item, ast.stmt | ast.excepthandler | ast.match_case)]
            waiting += inner
            for item in inner:
                if not (item is inner[0] and name == "body" and _is_docstring(node, item)):
                    yield _own_lines(item)


def _own_lines(node: ast.stmt | ast.excepthandler | ast.match_case) -> tuple[int, int]:
    """Return first and last line of a statement, decorators included, body excluded."""
    head: ast.AST = node.pattern if isinstance(node, ast.match_case) else node
    start, end = getattr(head, "lineno", 1), getattr(head, "end_lineno", None) or 1
    decorators = getattr(node, "decorator_list", None)
    if decorators:
        start = min(start, decorators[0].lineno)
    body = getattr(node, "body", None) or getattr(node, "cases", None)
    if isinstance(body, list):
        first = body[0]
        below = first.pattern.lineno if isinstance(first, ast.match_case) else first.lineno
        inner = getattr(first, "decorator_list", None)
        below = min(below, inner[0].lineno) if inner else below
        end = max(start, below - 1)
    return start, end


def _is_docstring(parent: ast.AST, node: ast.AST) -> bool:
    """Tell a docstring: a bare string as the first statement of a module, class or function."""
    return (
        isinstance(parent, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _for_checkers_only(node: ast.AST) -> bool:
    """Tell an `if TYPE_CHECKING:` block, which no test can run."""
    test = node.test if isinstance(node, ast.If) else None
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return bool(name == "TYPE_CHECKING")
