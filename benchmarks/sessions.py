"""How fast session logs are read, and in how much memory, against decoding each of their lines.

`make bench NAME=sessions`. Logs of Claude Code and of Codex are made up in a temporary folder, 1 GiB in all, in the
proportions and line lengths that were counted in 86 logs of two public repositories (114 MiB); their texts are this
program's own source. Reader and baseline (`json.loads` of every line, nothing else) each run in a process of their
own, in turn, over the same files, which are in the page cache. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
_SESSION_MIB = 4
"""Of one log; real ones have 0.1 to 50."""
_LONG_MIB = 96
"""Of the one long log of each kind."""
_READ = """
import resource, sys
from pathlib import Path
from worktrial.sessions import load
prompts = edits = commits = torn = unknown = 0
for path in map(Path, sys.argv[1:]):
    for session in load(path.name.split(".")[0]).read(path):
        prompts += len(session.prompts())
        edits += sum(len(turn.edits) for turn in session.turns)
        commits += sum(len(turn.commits) for turn in session.turns)
        torn += session.torn
        unknown += session.unknown
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, prompts, edits, commits, torn, unknown)
"""
_BASELINE = """
import json, resource, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        for line in file:
            json.loads(line)
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


class Texts:
    """Pieces of source code of about a wanted length."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        root = Path(__file__).parents[1] / "src/worktrial"
        self._all = "".join(path.read_text("utf-8") for path in sorted(root.rglob("*.py")))

    def some(self, mean: int) -> str:
        """Return a text; lengths spread as those of tool outputs do, a few of them very long."""
        size = int(min(self._random.lognormvariate(0, 1) * mean / 1.65, 20 * mean)) + 1
        start = self._random.randrange(len(self._all) - size)
        return self._all[start : start + size]


Line = dict[str, Any]


def claude_rounds(texts: Texts) -> Iterator[list[Line]]:
    """Yield the lines of one round after another: of each kind as many as in the logs counted, by edit."""
    for number in itertools.count():
        yield list(_claude_round(texts, number))


def _claude_round(texts: Texts, number: int) -> Iterator[Line]:
    head = {
        "parentUuid": "5b2d4a1c-8e0f-4b60-9a55-0c9e2f6d7a11", "isSidechain": False, "userType": "external",
        "cwd": "/home/dev/shop", "sessionId": "2afc85f6-8c93-4152-8def-8bb5317dc332", "version": "2.1.37",
        "gitBranch": "main", "timestamp": f"2026-02-{number % 28 + 1:02d}T10:00:{number % 60:02d}.000Z",
        "uuid": f"u-{number}",
    }  # fmt: skip
    usage = {
        "input_tokens": 3,
        "cache_read_input_tokens": 40000,
        "cache_creation_input_tokens": 900,
        "output_tokens": 8,
    }

    def said(block: Line, part: int) -> Line:
        message: Line = {
            "model": "claude-sonnet-4-5",
            "id": f"msg_{number}_{part}",
            "type": "message",
            "role": "assistant",
        }
        message |= {"content": [block], "stop_reason": None, "usage": usage}
        return {**head, "type": "assistant", "message": message, "requestId": f"req_{number}_{part}"}

    def used(part: int, name: str, given: Line) -> Line:
        return said({"type": "tool_use", "id": f"toolu_{number}_{part}", "name": name, "input": given}, part)

    def gave(part: int, content: str, result: object) -> Line:
        block = {"tool_use_id": f"toolu_{number}_{part}", "type": "tool_result", "content": content}
        return {**head, "type": "user", "message": {"role": "user", "content": [block]}, "toolUseResult": result}

    def progress(data: Line) -> Line:
        return {**head, "type": "progress", "data": data, "toolUseID": "x", "parentToolUseID": "y"}

    if number % 2 == 0:
        yield {**head, "type": "user", "message": {"role": "user", "content": texts.some(900)}}
    for part in range(3):
        yield said({"type": "thinking", "thinking": texts.some(800), "signature": "c2ln" * 150}, part)
    for part in range(2):
        yield said({"type": "text", "text": texts.some(400)}, part)
        yield progress({"type": "hook_progress", "hookEvent": "PostToolUse", "hookName": "x", "command": "callback"})
    yield used(3, "Read", {"file_path": "/home/dev/shop/app.py"})
    text = texts.some(6500)
    yield gave(3, text, {"type": "text", "file": {"filePath": "/home/dev/shop/app.py", "content": text, "numLines": 9}})
    old, new = texts.some(500), texts.some(700)
    yield used(4, "Edit", {"file_path": "/home/dev/shop/app.py", "old_string": old, "new_string": new})
    patch = [f"-{line}" for line in old.split("\n")] + [f"+{line}" for line in new.split("\n")]
    result: Line = {"filePath": "/home/dev/shop/app.py", "oldString": old, "newString": new}
    result |= {"originalFile": texts.some(23000), "structuredPatch": [{"oldStart": 1, "lines": patch}]}
    yield gave(4, texts.some(900), {**result, "userModified": False, "replaceAll": False})
    commands = ["git status --short", "make test"] if number % 6 else ["git add -A", "git commit -m 'Do it'"]
    for part, command in enumerate(commands, 5):
        yield used(part, "Bash", {"command": command, "description": texts.some(40)})
        output = texts.some(1200) if "commit" not in command else f"[main {number:07x}] Do it\n 1 file changed"
        yield gave(part, output, {"stdout": output, "stderr": "", "interrupted": False, "isImage": False})
        yield progress({"type": "bash_progress", "output": texts.some(200), "elapsedTimeSeconds": 3, "totalLines": 9})
        yield progress({"type": "bash_progress", "output": texts.some(200), "elapsedTimeSeconds": 4, "totalLines": 9})
    if number % 2:
        yield used(8, "Grep", {"pattern": "greet", "path": "/home/dev/shop"})
        text = texts.some(2600)
        yield gave(8, text, {"mode": "content", "numFiles": 0, "content": text, "numLines": 30})
    inner = {**head, "type": "user", "message": {"role": "user", "content": [
        {"tool_use_id": f"toolu_sub_{number}", "type": "tool_result", "content": texts.some(6500)}]}}  # fmt: skip
    yield progress({"type": "agent_progress", "message": inner, "agentId": "a1", "prompt": ""})
    snapshot = {"trackedFileBackups": {}, "id": texts.some(300)}
    yield {"type": "file-history-snapshot", "messageId": "m", "snapshot": snapshot}


def codex_rounds(texts: Texts) -> Iterator[list[Line]]:
    """Yield the lines of one round after another; the first begins the session."""
    meta = {"id": "01a21f68-ca7b-7eb0-b689-a969fad3cdff", "cwd": "/home/dev/shop", "cli_version": "0.142.2",
            "base_instructions": {"text": texts.some(20000)},
            "git": {"commit_hash": "a" * 40, "branch": "main"}}  # fmt: skip
    yield [{"timestamp": "2026-06-26T12:00:00.000Z", "type": "session_meta", "payload": meta}]
    for number in itertools.count():
        stamp = f"2026-06-26T12:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
        yield [{"timestamp": stamp, "type": kind, "payload": payload} for kind, payload in _codex_round(texts, number)]


def _codex_round(texts: Texts, number: int) -> Iterator[tuple[str, Line]]:
    turn = {"internal_chat_message_metadata_passthrough": {"turn_id": f"turn-{number}"}}
    if number % 16 == 0:
        text = texts.some(900)
        yield (
            "turn_context",
            {"turn_id": f"turn-{number}", "cwd": "/home/dev/shop", "model": "gpt-5.5", "x": texts.some(900)},
        )
        content = [{"type": "input_text", "text": text}]
        yield "response_item", {"type": "message", "role": "user", "content": content, **turn}
        yield "event_msg", {"type": "user_message", "message": text, "images": []}
    if number % 2 == 0:
        text = texts.some(250)
        yield "response_item", {"type": "reasoning", "summary": [], "encrypted_content": "Z0FB" * 40, **turn}
        yield "event_msg", {"type": "agent_message", "message": text, "phase": "commentary"}
        content = [{"type": "output_text", "text": text}]
        yield "response_item", {"type": "message", "role": "assistant", "content": content, **turn}
    command = "git commit -am 'Do it'" if number % 60 == 0 else "rg -n greet src"
    given = json.dumps({"cmd": command, "workdir": "/home/dev/shop", "why": texts.some(80)})
    yield (
        "response_item",
        {"type": "function_call", "name": "exec_command", "arguments": given, "call_id": f"c{number}", **turn},
    )
    output = f"Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\n{texts.some(3600)}"
    yield "response_item", {"type": "function_call_output", "call_id": f"c{number}", "output": output, **turn}
    counts = {"input_tokens": number, "cached_input_tokens": 9, "output_tokens": 5, "total_tokens": number}
    info = {"total_token_usage": counts, "last_token_usage": counts, "model_context_window": 121600}
    yield (
        "event_msg",
        {"type": "token_count", "info": info, "rate_limits": {"primary": {"used_percent": 1.0}, "x": "y" * 200}},
    )
    if number % 27 == 0:
        body = "".join(f"+{line}\n" for line in texts.some(1500).split("\n"))
        patch = f"*** Begin Patch\n*** Update File: app.py\n@@\n{body}*** End Patch\n"
        one = {"type": "custom_tool_call", "status": "completed", "call_id": f"p{number}", "name": "apply_patch"}
        yield "response_item", {**one, "input": patch, **turn}
        changes = {
            "/home/dev/shop/app.py": {"type": "update", "unified_diff": f"@@ -1 +1,9 @@\n{body}", "move_path": None}
        }
        done = {"type": "patch_apply_end", "call_id": f"p{number}", "stdout": "Success", "success": True}
        yield "event_msg", {**done, "changes": changes, "status": "completed"}
        told = {"type": "custom_tool_call_output", "call_id": f"p{number}", "output": "Success. Updated app.py"}
        yield "response_item", {**told, **turn}
    if number % 300 == 299:
        yield "compacted", {"message": "", "replacement_history": [{"type": "message", "text": texts.some(40000)}]}


Rounds = Callable[[Texts], Iterator[list[Line]]]


def write_log(path: Path, rounds: Rounds, seed: int, mib: int) -> None:
    """Write a log of so many MiB."""
    with path.open("wb") as file:
        for lines in rounds(Texts(seed)):
            for line in lines:
                file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            if file.tell() >= mib * MIB:
                return


def make_logs(folder: Path, mib: int) -> list[Path]:
    """Write logs of so many MiB in all, two thirds of them Claude Code's; of each kind one is long."""
    made: list[Path] = []
    for kind, rounds, share in (("claude_code", claude_rounds, mib * 2 // 3), ("codex", codex_rounds, mib // 3)):
        left, number = share, 0
        if left > 2 * _LONG_MIB:
            made.append(folder / f"{kind}.long.jsonl")
            write_log(made[-1], rounds, 99, _LONG_MIB)
            left -= _LONG_MIB
        distinct: list[Path] = []
        while left > 0:
            path = folder / f"{kind}.{number}.jsonl"
            if len(distinct) < 12:
                write_log(path, rounds, number, _SESSION_MIB)
                distinct.append(path)
            else:
                path.write_bytes(distinct[number % len(distinct)].read_bytes())
            made.append(path)
            left -= _SESSION_MIB
            number += 1
    return made


def measured(program: str, paths: list[Path]) -> list[float]:
    """Run a program over files and return the figures that it prints."""
    done = subprocess.run([sys.executable, "-c", program, *map(str, paths)], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="worktrial-bench-") as folder:
        paths = make_logs(Path(folder), options.mib)
        mib = sum(path.stat().st_size for path in paths) / MIB
        few = [path for path in paths if ".long." not in path.name][:: max(1, len(paths) // 8)]
        print(f"{len(paths)} logs, {mib:.0f} MiB")
        reads, bases = [], []
        small = measured(_READ, few)[1]
        for turn in range(options.repetitions):
            reads.append(measured(_READ, paths))
            bases.append(measured(_BASELINE, paths))
            print(f"turn {turn + 1}: read {reads[-1][0]:.2f} s, json.loads of all lines {bases[-1][0]:.2f} s of CPU")
        read, base = sorted(reads)[len(reads) // 2], sorted(bases)[len(bases) // 2]
        few_mib = sum(path.stat().st_size for path in few) / MIB
    print(
        f"found: {read[2]:.0f} prompts, {read[3]:.0f} edits, {read[4]:.0f} commits, "
        f"{read[5]:.0f} torn, {read[6]:.0f} unknown"
    )
    print(
        json.dumps({
            "mib": round(mib),
            "cpu_s": round(read[0], 2),
            "mib_per_cpu_s": round(mib / read[0], 1),
            "rss_mib": round(read[1], 1),
            "few_mib": round(few_mib),
            "few_rss_mib": round(small, 1),
            "json_loads_cpu_s": round(base[0], 2),
            "json_loads_rss_mib": round(base[1], 1),
            "cpu_s_by_json_loads": round(read[0] / base[0], 2),
        })
    )  # fmt: skip


if __name__ == "__main__":
    main()
