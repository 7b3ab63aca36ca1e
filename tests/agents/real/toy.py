"""A real agent small enough for tests: a script on PATH that asks its model once and does as its prompt says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from worktrial.agents.real.contract import PROMPT, URL, Ask, Heard, Launch, Package, Wire
from worktrial.agents.real.logs import Steps, as_dict, as_list, as_text, json_lines
from worktrial.formats.run import AgentConfig

SCRIPT = r"""#!/usr/bin/python3 -I
import json, os, pathlib, subprocess, sys, time, urllib.error, urllib.request
if "--version" in sys.argv:
    print("toy 1.2.3")
    sys.exit(0)
prompt = sys.stdin.read()
home = pathlib.Path(os.environ["HOME"])
(home / "log").mkdir()
log = (home / "log/session.jsonl").open("w", buffering=1)
log.write(json.dumps({"user": prompt, "settings": (home / ".toy/settings").read_text()}) + "\n")
def ask():
    body = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(os.environ["BASE"] + "/v1/chat/completions", json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["TOKEN"]})
    return json.load(urllib.request.urlopen(request))["choices"][0]["message"]
try:
    if "silent" not in prompt:
        message = ask()
        log.write(json.dumps({"agent": message["content"], "calls": message.get("tool_calls")}) + "\n")
        for call in message.get("tool_calls") or ():
            command = json.loads(call["function"]["arguments"])["command"]
            done = subprocess.run(command, shell=True, capture_output=True, text=True)
            log.write(json.dumps({"id": call["id"], "gave": done.stdout + done.stderr}) + "\n")
except urllib.error.URLError as error:
    print("toy: no answer:", error)
    sys.exit(0 if "polite" in prompt else 1)
if "flood" in prompt:
    while True:
        print("x" * 10000)
if "forever" in prompt:
    time.sleep(600)
if "loud" in prompt:
    print("A" * 3_000_000)
sys.exit(3 if "fail" in prompt else 0)
"""


class Toy:
    """The agent."""

    name = "toy"
    title = "Toy"
    package = Package("path", "worktrial-toy-agent", "")
    context_file = "TOY.md"
    mcp = False
    probe = ("--version",)
    quiet: Mapping[str, str] = {"QUIET": "1"}
    logs = ("log/*.jsonl",)
    leftovers: tuple[str, ...] = (".toy-cache*",)

    def wire(self, config: AgentConfig) -> Wire:
        return "openai_chat"

    def program(self, folder: Path) -> Path:
        return folder / self.package.name

    def launch(self, ask: Ask) -> Launch:
        return Launch(
            (str(self.program(ask.installed.folder)), *ask.config.args),
            env={"BASE": URL, "TOKEN": ask.token, "MODEL": ask.model},
            files={".toy/settings": "home is @HOME@, root is @ROOT@"},
            stdin=PROMPT,
            capture=True,
        )

    def read(self, logs: Mapping[str, bytes]) -> Heard:
        steps = Steps()
        for line in json_lines(logs.get("log/session.jsonl", b"")):
            steps.said("user", line.get("user"))
            if "agent" in line:
                steps.replied(line["agent"])
                for call in map(as_dict, as_list(line.get("calls"))):
                    function = as_dict(call.get("function"))
                    steps.called(call.get("id"), function.get("name"), function.get("arguments"))
            steps.gave(line.get("id"), as_text(line.get("gave")))
        return Heard(steps.steps())


def put_on_path(folder: Path) -> str:
    """Write the program into a folder and return a PATH with it."""
    folder.mkdir()
    program = folder / Toy.package.name
    program.write_text(SCRIPT)
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
