"""The middle layer: syntax trees by tree-sitter, for languages that have no server here."""

import importlib

import plain

GRAMMARS = {
    ".py": ("tree_sitter_python", "language"),
    ".pyi": ("tree_sitter_python", "language"),
    ".js": ("tree_sitter_javascript", "language"),
    ".jsx": ("tree_sitter_javascript", "language"),
    ".mjs": ("tree_sitter_javascript", "language"),
    ".cjs": ("tree_sitter_javascript", "language"),
    ".ts": ("tree_sitter_typescript", "language_typescript"),
    ".tsx": ("tree_sitter_typescript", "language_tsx"),
    ".go": ("tree_sitter_go", "language"),
    ".rs": ("tree_sitter_rust", "language"),
    ".java": ("tree_sitter_java", "language"),
    ".c": ("tree_sitter_c", "language"),
    ".h": ("tree_sitter_c", "language"),
}
KINDS = ("class", "function", "method", "struct", "enum", "interface", "trait", "module", "type", "constructor")
"""What the type of a node that defines something has in it, in every one of these grammars."""


class NoTreesError(Exception):
    """There is no grammar here for a file: the next layer is asked."""


def parse(root, path):
    """Return the root node of a file. Raises `NoTreesError`."""
    suffix = "." + path.rsplit(".", 1)[-1]
    if suffix not in GRAMMARS:
        raise NoTreesError("no grammar for " + suffix)
    module, function = GRAMMARS[suffix]
    try:
        import tree_sitter

        language = tree_sitter.Language(getattr(importlib.import_module(module), function)())
    except ImportError as error:
        raise NoTreesError(str(error)) from error
    return tree_sitter.Parser(language).parse(plain.text_of(root, path).encode()).root_node


def nodes(root_node):
    """Yield (depth of enclosing definitions, node) of a whole tree, in order, without recursion."""
    pending = [(0, root_node)]
    while pending:
        depth, node = pending.pop()
        yield depth, node
        inner = depth + 1 if kind_of(node) else depth
        pending += [(inner, child) for child in reversed(node.children)]


def kind_of(node):
    """Return what a node defines, or None."""
    if node.child_by_field_name("name") is None or not node.is_named:
        return None
    if not node.type.endswith(("definition", "declaration", "item", "spec", "declarator", "specifier")):
        return None
    return next((kind for kind in KINDS if kind in node.type), None)


def outline(root, path):
    """Return (depth, kind, name, first line, last line) of the symbols in a file."""
    rows = []
    for depth, node in nodes(parse(root, path)):
        kind = kind_of(node)
        if kind:
            name = node.child_by_field_name("name").text.decode(errors="replace")
            rows.append((depth, kind, name, node.start_point[0] + 1, node.end_point[0] + 1))
    return rows


def definitions(root, name):
    """Return (path, line) of every definition of this name, in files that have a grammar here."""
    found = []
    for path in plain.files(root, set(GRAMMARS)):
        if name in plain.text_of(root, path):
            found += [(path, first) for _, _, called, first, _ in outline(root, path) if called == name]
    return found


def references(root, name):
    """Return (path, line) of every identifier of this name: none of comments and strings."""
    found = {}
    wanted = name.encode()
    for path in plain.files(root, set(GRAMMARS)):
        if name not in plain.text_of(root, path):
            continue
        for _, node in nodes(parse(root, path)):
            if not node.children and node.type.endswith("identifier") and node.text == wanted:
                found[path, node.start_point[0] + 1] = None
    return list(found)
