"""Makes every test say when its body begins and when it has come to its end. Python 3.8 or newer.

The marks are calls of the built-in `sys.audit`, put into the syntax tree where pytest rewrites assertions; the witness
hears them and knows by the calling frame which body it was. Compiled files lying about are never read.
"""

import ast
import fnmatch
import hashlib
import importlib.machinery
import os
import sys

MARK = "@worktrial_mark"
"""The name of `sys.audit` in test modules; none that a program could write."""


class Prover:
    """Compiles test modules with marks in them, and tells the witness what it compiled."""

    def __init__(self, event_name, tell):
        self.event_name = event_name
        self.tell = tell
        self.names = ["test*", "runTest"]

    def configure(self, patterns):
        """Take the repository's own patterns for names of test functions."""
        self.names += [pattern if set("*?[") & set(pattern) else pattern + "*" for pattern in patterns]

    def compile(self, source, filename, rewrite=None):
        """Return the code of a module; `rewrite` changes its syntax tree before the marks are put in."""
        tree = compile(source, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        if rewrite is not None:
            rewrite(tree)
        self.put_marks(tree)
        code = compile(tree, filename, "exec", dont_inherit=True)
        path = os.path.relpath(filename, os.getcwd())
        self.tell(path, hashlib.sha256(source).hexdigest(), code, list(functions(code)))
        return code

    def put_marks(self, tree):
        """Insert the marks into a module's syntax tree."""
        body, at = tree.body, 0
        if not body:
            return
        while at < len(body) and (_is_docstring(body[at], at) or _is_future(body[at])):
            at += 1
        here = body[min(at, len(body) - 1)]
        get = ast.ImportFrom(module="sys", names=[ast.alias(name="audit", asname=MARK)], level=0)
        self.mark_functions(body)
        body[at:at] = [_placed(get, here), self.mark("module", here)]

    def mark_functions(self, body):
        """Mark test functions in a module or class body, nested classes and blocks included, functions' insides not."""
        for node in body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if any(fnmatch.fnmatchcase(node.name, name) for name in self.names) and not _yields(node):
                    self.mark_function(node)
            else:
                for field in ("body", "orelse", "finalbody"):
                    self.mark_functions(getattr(node, field, ()) if isinstance(node, ast.stmt) else ())
                for handler in getattr(node, "handlers", ()):
                    self.mark_functions(handler.body)

    def mark_function(self, node):
        """Put a mark at the beginning, before every return, and at the end."""
        at = 1 if _is_docstring(node.body[0], 0) and len(node.body) > 1 else 0
        first, last = node.body[at], node.body[-1]
        self.mark_returns(node)
        node.body[at:at] = [self.mark("begin", first)]
        node.body.append(self.mark("end", last))

    def mark_returns(self, node):
        """Put a mark before every return of a function, after what it returns was worked out."""
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if not isinstance(statements, list):
                continue
            for at in range(len(statements) - 1, -1, -1):
                inner = statements[at]
                if isinstance(inner, ast.Return):
                    value = inner.value or _placed(ast.Constant(value=None, kind=None), inner)
                    keep = ast.Assign(targets=[ast.Name(id=MARK + "ed", ctx=ast.Store())], value=value)
                    inner.value = _placed(ast.Name(id=MARK + "ed", ctx=ast.Load()), inner)
                    statements[at:at] = [_placed(keep, inner), self.mark("end", inner)]
                elif not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    self.mark_returns(inner)
        for inner in [*getattr(node, "handlers", ()), *getattr(node, "cases", ())]:
            self.mark_returns(inner)

    def mark(self, kind, where):
        """Return the statement that tells the witness."""
        arguments = [ast.Constant(value=self.event_name, kind=None), ast.Constant(value=kind, kind=None)]
        call = ast.Call(func=ast.Name(id=MARK, ctx=ast.Load()), args=arguments, keywords=[])
        return _placed(ast.Expr(value=call), where)


def functions(code, prefix=""):
    """Yield qualified name and code object of every function in a module's or class's code, but for nested ones."""
    for value in code.co_consts:
        if hasattr(value, "co_consts"):
            if value.co_flags & 1:  # CO_OPTIMIZED: a function; a class body is none
                yield prefix + value.co_name, value
            else:
                yield from functions(value, prefix + value.co_name + ".")


def install(prover, targets):
    """Have pytest's assertion rewriting, and the import of what it leaves alone, go through the prover."""
    from _pytest.assertion import rewrite

    with_source = "source" in rewrite.rewrite_asserts.__code__.co_varnames[:2]
    rewrite_asserts = rewrite.rewrite_asserts

    def rewrite_test(first, second):
        fn, config = (second, first) if hasattr(first, "pluginmanager") else (first, second)
        filename = str(fn)
        stat = os.stat(filename)
        with open(filename, "rb") as file:
            source = file.read()
        given = (source, filename, config) if with_source else (filename, config)
        return stat, prover.compile(source, filename, lambda tree: rewrite_asserts(tree, *given))

    rewrite._rewrite_test = rewrite_test
    rewrite._read_pyc = lambda *_args, **_kwargs: None
    rewrite._write_pyc = lambda *_args, **_kwargs: True
    sys.meta_path.insert(0, Finder(prover, {os.path.realpath(path) for path in targets}))


class Finder:
    """Finds test files for which assertion rewriting is switched off."""

    def __init__(self, prover, files):
        self.prover = prover
        self.files = files

    def find_spec(self, name, path=None, target=None):
        """Return the usual spec with a loader of ours for a test file, None for all else."""
        if not self.files:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None
        if os.path.realpath(spec.origin) not in self.files:
            return None
        spec.loader = Loader(self.prover, spec.name, spec.origin)
        return spec

    def invalidate_caches(self):
        """Do nothing: nothing is kept."""


class Loader(importlib.machinery.SourceFileLoader):
    """Loads a module from its source, through the prover."""

    def __init__(self, prover, name, path):
        super().__init__(name, path)
        self.prover = prover

    def get_code(self, fullname):
        """Return the module's code, never from a cache."""
        return self.prover.compile(self.get_data(self.path), self.path)


def _placed(node, where):
    """Return a new node, with all inside it, at the line of another."""
    for inner in ast.walk(node):
        if isinstance(inner, (ast.expr, ast.stmt, ast.alias)) and not hasattr(inner, "lineno"):
            inner.lineno, inner.col_offset = where.lineno, where.col_offset
            inner.end_lineno, inner.end_col_offset = where.lineno, where.col_offset
    return node


def _is_docstring(node, at):
    value = getattr(node, "value", None)
    return at == 0 and isinstance(node, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str)


def _is_future(node):
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _yields(node):
    """Tell a generator function."""
    waiting = list(node.body)
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting += ast.iter_child_nodes(inner)
    return False
