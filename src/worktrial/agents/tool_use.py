"""What tool calls were for, told by their names and command lines: reading, searching, editing, testing, validating."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from worktrial.formats.trajectory import Step
from worktrial.formats.trial import ToolKind, ToolUse

_BY_NAME: dict[str, ToolKind] = {
    **dict.fromkeys(
        ("read", "readfile", "readmanyfiles", "view", "viewfile", "viewimage", "cat", "openfile", "open", "ls", "list",
         "listdir", "listdirectory", "listfiles", "notebookread", "readfolder", "tree", "getfilecontents"), "read"),
    **dict.fromkeys(
        ("grep", "grepsearch", "glob", "globsearch", "search", "searchfiles", "searchfilecontent", "searchcode",
         "codesearch", "codebasesearch", "find", "findfiles", "filesearch", "ripgrep", "findreferences",
         "gotodefinition", "definition", "references", "knowledge", "outline",
         "findsymbol", "workspacesymbol", "repomap"), "search"),
    **dict.fromkeys(
        ("edit", "write", "multiedit", "replace", "writefile", "editfile", "createfile", "create", "applypatch",
         "applydiff", "patch", "insert", "strreplace", "notebookedit", "deletefile", "movefile", "replaceinfile",
         "replacesymbolbody", "rename", "savefile", "updatefile", "format"), "edit"),
    **dict.fromkeys(("runtests", "runtest", "test", "tests", "pytest", "testfailure"), "run_test"),
    **dict.fromkeys(
        ("diagnostics", "getdiagnostics", "lint", "build", "typecheck", "check", "validate", "compile", "lsp",
         "readlints", "problems"), "validate"),
}  # fmt: skip
"""By a tool's name in lower case, without servers before it and without `_`, `-` and the like."""
_SHELLS = frozenset(
    ("bash", "shell", "sh", "localshell", "localshellcall", "shellcommand", "execcommand", "exec", "execute",
     "executebash", "runshellcommand", "runcommand", "runterminalcmd", "runinterminal", "terminal", "command",
     "containerexec", "powershell", "execshell")
)  # fmt: skip
_EDITORS = frozenset(("strreplaceeditor", "strreplacebasededittool", "fileeditor", "texteditor", "editor"))
"""One tool whose argument `command` says what it does."""
_NO_SERVERS = frozenset(("todo", "web", "google", "memory", "browser", "plan", "task", "save", "tool"))
"""First words of tools that are about something else than the repository's files."""
_COMMAND_KEYS = ("command", "cmd", "commands", "script", "code", "input")
_PRIORITY: tuple[ToolKind, ...] = ("run_test", "validate", "edit", "search", "read", "other")
"""Of a command line that does several things, the first of these counts."""

_TESTS = frozenset(
    ("pytest", "py.test", "tox", "nox", "nosetests", "nose2", "jest", "vitest", "mocha", "ava", "jasmine", "karma",
     "playwright", "cypress", "ctest", "rspec", "phpunit", "gotestsum", "prove", "minitest", "stestr", "trial", "ptw",
     "unittest", "nose", "pest", "bats", "busted")
)  # fmt: skip
_CHECKS = frozenset(
    ("ruff", "flake8", "mypy", "pyright", "basedpyright", "ty", "pylint", "pyflakes", "pycodestyle", "pydocstyle",
     "bandit", "vulture", "pre-commit", "tsc", "eslint", "biome", "oxlint", "stylelint", "shellcheck", "golangci-lint",
     "staticcheck", "clang-tidy", "cppcheck", "cmake", "ninja", "make", "gcc", "g++", "clang", "clang++", "rustc",
     "javac", "msbuild", "bazel", "meson", "py_compile", "compileall", "rubocop", "phpstan", "psalm", "checkstyle",
     "hadolint", "yamllint", "vet", "lint-imports", "build", "twine", "sorbet", "dialyzer")
)  # fmt: skip
_EDITS = frozenset(
    ("tee", "patch", "apply_patch", "applypatch", "mv", "cp", "rm", "mkdir", "rmdir", "touch", "ln", "install", "dd",
     "truncate", "black", "isort", "autopep8", "yapf", "prettier", "gofmt", "rustfmt", "clang-format", "ed", "unlink")
)  # fmt: skip
_SEARCHES = frozenset(("grep", "egrep", "fgrep", "rg", "ag", "ack", "find", "fd", "fdfind", "locate", "ast-grep", "sg"))
_READS = frozenset(
    ("cat", "head", "tail", "less", "more", "nl", "bat", "ls", "tree", "wc", "stat", "file", "sed", "awk", "cut",
     "diff", "cmp", "hexdump", "xxd", "od", "strings", "jq", "yq", "column", "pwd", "du", "readlink", "realpath",
     "sort", "uniq", "tac", "zcat")
)  # fmt: skip
_STREAM_EDITORS = frozenset(("sed", "perl", "awk", "gawk", "ruby"))
_WRAPPERS = frozenset(
    ("sudo", "env", "time", "nice", "nohup", "stdbuf", "command", "exec", "xargs", "then", "do", "else")
)
_RUNNERS = frozenset(
    ("uv", "poetry", "pipenv", "hatch", "pdm", "rye", "bundle", "npx", "pnpx", "bunx", "dotenv", "xvfb-run")
)
_SUBCOMMANDS: dict[str, dict[str, ToolKind]] = {
    "git": {
        **dict.fromkeys(("grep", "ls-files"), "search"),
        **dict.fromkeys(("log", "show", "diff", "status", "blame", "branch", "rev-parse", "cat-file"), "read"),
        **dict.fromkeys(("apply", "checkout", "restore", "mv", "rm", "reset", "stash", "revert", "am"), "edit"),
    },
    "go": {"test": "run_test", **dict.fromkeys(("build", "vet", "run", "install"), "validate"), "fmt": "edit"},
    "cargo": {
        **dict.fromkeys(("test", "nextest", "t"), "run_test"),
        **dict.fromkeys(("check", "build", "clippy", "c", "b"), "validate"),
        "fmt": "edit",
    },
    "dotnet": {"test": "run_test", "build": "validate", "format": "edit"},
    "swift": {"test": "run_test", "build": "validate"},
    "mix": {"test": "run_test", "compile": "validate", "credo": "validate", "format": "edit"},
    "deno": {"test": "run_test", **dict.fromkeys(("check", "lint"), "validate"), "fmt": "edit"},
    "bun": {"test": "run_test", "build": "validate"},
    "rails": {"test": "run_test"},
    "hatch": {"test": "run_test", "fmt": "edit"},
    "bazel": {"test": "run_test"},
    "meson": {"test": "run_test"},
    "ruff": {"format": "edit"},
    "biome": {"format": "edit"},
    "uv": {"build": "validate"},
}
"""By program and the first word after its options."""
_TASK_RUNNERS = frozenset(
    ("npm", "yarn", "pnpm", "make", "gmake", "just", "rake", "task", "mvn", "mvnw", "gradle", "gradlew", "bun",
     "composer", "inv", "invoke", "ninja", "pdm", "rye", "hatch")
)  # fmt: skip
"""Programs whose targets are named by the project."""
_TEST_TARGET = re.compile(r"^(?:.*[:_-])?(?:unit|integration|e2e)?-?(?:tests?|specs?|verify|check)(?:[:_-].*)?$")
_CHECK_TARGET = re.compile(r"lint|type|build|compile|format.check|static|package|assemble|analy[sz]e")
_TEST_FILE = re.compile(r"(?:^|/)(?:run_?tests?|test_[^/]*|[^/]*_test|tests?/[^/]*|manage)\.(?:py|sh|js|rb|php|pl)$")
_INTERPRETER = re.compile(r"^(?:python[\d.]*|pypy3?|node|ruby|php|perl|ts-node|tsx|bash|sh|zsh|dash)$")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_][\w-]*)\1(.*?)\n.*?^\s*\2\s*$", re.DOTALL | re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[A-Za-z_]\w*=")
_SEPARATOR = re.compile(r"^[;&|(){}\n]+$")
_MAX_COMMAND = 20_000


def kind_of(name: str, arguments: Mapping[str, Any]) -> ToolKind:
    """Return what a call was for. Names of servers before a tool's own (`mcp__server__tool`) do not count."""
    plain = _plain(name)
    if plain in _EDITORS:
        asked = arguments.get("command")
        return "read" if asked == "view" else "edit" if isinstance(asked, str) else "other"
    if plain in _SHELLS:
        return command_kind(_command(arguments))
    return _BY_NAME.get(plain) or _behind_a_server(name)


def command_kind(command: str) -> ToolKind:
    """Return what a shell command line was for: of all it does, what says most of the agent's aim."""
    kinds = {_simple_kind(words) for words in _simple_commands(command[:_MAX_COMMAND])}
    return next((kind for kind in _PRIORITY if kind in kinds), "other")


def tool_use(steps: Iterable[Step]) -> ToolUse | None:
    """Return the calls of a trajectory by kind, or None when it has no step of the agent to tell from."""
    kinds: list[ToolKind] = []
    seen = False
    for step in steps:
        seen = seen or step.source == "agent"
        kinds += (kind_of(call.function_name, call.arguments) for call in step.tool_calls or ())
    if not seen:
        return None
    counts = Counter(kinds)
    last_edit = max((i for i, kind in enumerate(kinds) if kind == "edit"), default=-1)
    return ToolUse(
        calls={kind: counts[kind] for kind in reversed(_PRIORITY) if counts[kind]},
        tests_after_last_edit=kinds[last_edit + 1 :].count("run_test"),
    )


def _behind_a_server(name: str) -> ToolKind:
    """Return what a tool is for whose name has its server's before it, one underscore between: `verify_run_tests`."""
    words = re.split(r"[^A-Za-z0-9]+", name.lower())
    if words[0] in _NO_SERVERS:
        return "other"
    ends = ("".join(words[i:]) for i in range(1, len(words)))
    return next((_BY_NAME[end] for end in ends if end in _BY_NAME), "other")


def _plain(name: str) -> str:
    last = re.split(r"__|[.:/]", name)[-1] or name
    return re.sub(r"[^a-z0-9]", "", last.lower())


def _command(arguments: Mapping[str, Any]) -> str:
    """Return the command line of a shell call: a text, or words as `exec` takes them."""
    for key in _COMMAND_KEYS:
        value = arguments.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            words = [str(word) for word in value]
            if len(words) > 2 and _INTERPRETER.match(words[0]) and words[1].startswith("-") and "c" in words[1]:
                return words[2]
            return shlex.join(words)
    return ""


def _simple_commands(command: str) -> Iterator[list[str]]:
    """Yield the words of each simple command; a text that is no shell is taken word by word."""
    text = _HEREDOC.sub(lambda found: f"{found[3]}\n", command)
    text = re.sub(r"\\\n", " ", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()<>\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words: list[str] = []
    try:
        for token in lexer:
            if _SEPARATOR.match(token):
                yield words
                words = []
            else:
                words.append(token)
    except ValueError:
        for line in re.split(r"[;&|\n]+", text):
            yield line.split()
        return
    yield words


def _simple_kind(words: list[str]) -> ToolKind:  # noqa: PLR0911 - a table of cases
    if _writes(words):
        return "edit"
    words = _unwrapped(words)
    if not words:
        return "other"
    program, rest = words[0].rsplit("/", 1)[-1].lower(), words[1:]
    if program in _STREAM_EDITORS and any(re.match(r"-[a-zA-Z]*i|--in-place", word) for word in rest):
        return "edit"
    if _INTERPRETER.match(program):
        return _interpreted(program, rest)
    if program in _RUNNERS and (inner := _run_by(program, rest)) is not None:
        return _simple_kind(inner)
    plain = [word for word in rest if not word.startswith(("-", "+"))]
    found = _SUBCOMMANDS.get(program, {}).get(plain[0] if plain else "")
    if found:
        return found
    if program in _TASK_RUNNERS:
        return _target(program, plain)
    return _by_program(program, rest)


def _by_program(program: str, rest: list[str]) -> ToolKind:
    if program in _TESTS:
        return "run_test"
    if program in _CHECKS:
        return "validate"
    if program in _EDITS:
        return "validate" if {"--check", "--diff", "-l", "--list-different", "--check-only"} & set(rest) else "edit"
    if program in _SEARCHES:
        return "search"
    if program in _READS:
        return "read"
    return "run_test" if _TEST_FILE.search(program) else "other"


def _writes(words: list[str]) -> bool:
    """Whether output goes to a file of some consequence."""
    for i, word in enumerate(words[:-1]):
        if re.fullmatch(r"\d*>{1,2}\|?", word) and not words[i + 1].startswith(("/dev/", "/tmp/", "&")):  # noqa: S108
            return not (i and words[i - 1] == "2")
    return False


def _unwrapped(words: list[str]) -> list[str]:
    """Return a command without variables, redirections, and programs that run another."""
    words = list(words)
    while words:
        if _ASSIGNMENT.match(words[0]) or words[0].rsplit("/", 1)[-1] in _WRAPPERS:
            words.pop(0)
            while words and words[0].startswith("-"):
                words.pop(0)
        elif words[0] in ("timeout", "gtimeout"):
            words.pop(0)
            while words and (words[0].startswith("-") or re.match(r"^[\d.]+[smhd]?$", words[0])):
                words.pop(0)
        elif re.fullmatch(r"\d*[<>]{1,2}&?\|?", words[0]):
            words = words[2:]
        else:
            break
    return words


def _run_by(program: str, rest: list[str]) -> list[str] | None:
    """Return the command that `uv run` and the like run, or None when they do something else."""
    if program in ("npx", "pnpx", "bunx", "xvfb-run", "dotenv"):
        return [
            word for i, word in enumerate(rest) if not word.startswith("-") or (i > 0 and not rest[0].startswith("-"))
        ]
    for i, word in enumerate(rest):
        if word in ("run", "exec"):
            inner = rest[i + 1 :]
            while inner and inner[0].startswith("-"):
                takes = inner[0] in ("--with", "--extra", "--group", "--python", "-p", "--package", "--project", "-e")
                inner = inner[2 if takes else 1 :]
            return inner
        if not word.startswith("-"):
            return None
    return None


def _interpreted(program: str, rest: list[str]) -> ToolKind:
    """Return what a script or module run by an interpreter is for; code given in words is nobody's guess."""
    if program in ("bash", "sh", "zsh", "dash") and len(rest) > 1 and re.fullmatch(r"-[a-z]*c", rest[0]):
        return command_kind(rest[1])
    if "--test" in rest and program in ("node", "tsx"):
        return "run_test"
    if "-m" in rest[:4] and program.startswith(("python", "pypy")):
        module = rest[rest.index("-m") + 1 :]
        return _simple_kind([module[0].split(".")[0], *module[1:]]) if module else "other"
    script = next((word for word in rest if not word.startswith("-")), "")
    if script.endswith("manage.py"):
        return "run_test" if "test" in rest else "other"
    name = script.rsplit("/", 1)[-1]
    if name in _TESTS | _CHECKS:
        return _simple_kind([name, *rest[rest.index(script) + 1 :]])
    return "run_test" if _TEST_FILE.search(script) else "other"


def _target(program: str, plain: list[str]) -> ToolKind:
    """Return what a target of a project's own is for, by its name."""
    targets = [word for word in plain if word not in ("run", "exec", "run-script", "workspace", "--")]
    if any(_TEST_TARGET.match(word) for word in targets) or (program == "npm" and targets[:1] == ["t"]):
        return "run_test"
    if any(_CHECK_TARGET.search(word) for word in targets):
        return "validate"
    return "validate" if program in ("make", "gmake", "ninja") and not targets else "other"
