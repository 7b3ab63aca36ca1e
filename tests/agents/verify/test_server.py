"""The server of a project's checks: spoken to by the protocol's own client, outside and in a real sandbox."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.agents.bench import Bench

from worktrial.agents.verify import server_command
from worktrial.languages.protocol import Checks
from worktrial.sandboxes.protocol import Command

CHECKS = Checks(test=("sh", "-c", 'echo "ran $*"; test -f ok', "sh"), build=("echo", "built"))


class Client:
    """A client that writes what it is told to, right or wrong."""

    def __init__(self, folder: Path, checks: Checks = CHECKS) -> None:
        argv, _ = server_command(checks)
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)

    def send(self, message: object) -> None:
        assert self.process.stdin is not None
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def ask(self, method: str, number: int = 1, **params: object) -> dict[str, Any]:
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return self.receive()

    def close(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def client(tmp_path: Path) -> Any:
    made = Client(tmp_path)
    yield made
    assert made.close() == 0


async def test_the_reference_client_lists_and_calls_the_tools(tmp_path: Path) -> None:
    """The protocol's own SDK is the judge of whether we speak it."""
    mcp = pytest.importorskip("mcp")
    from mcp.client.stdio import StdioServerParameters, stdio_client

    argv, _ = server_command(CHECKS)
    server = StdioServerParameters(command=argv[0], args=list(argv[1:]), cwd=tmp_path)
    async with stdio_client(server) as (read, write), mcp.ClientSession(read, write) as session:
        await session.initialize()
        listed = await session.list_tools()
        assert {tool.name for tool in listed.tools} == {"run_tests", "build"}
        result = await session.call_tool("run_tests", {"targets": ["tests/a.py", "two words"]})
        assert result.content[0].text == "exit code: 1\nran tests/a.py two words\n"
        (tmp_path / "ok").touch()
        assert (await session.call_tool("run_tests", {})).content[0].text.startswith("exit code: 0")


def test_every_version_of_the_protocol_is_answered_in_its_own(client: Client) -> None:
    for version in ("2024-11-05", "2025-03-26", "2025-06-18"):
        assert client.ask("initialize", protocolVersion=version)["result"]["protocolVersion"] == version
    assert client.ask("initialize", protocolVersion="1999-01-01")["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"{torn", -32700),
        (b"[1]", -32600),
        (b"[" * 100_000, -32700),
        ({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}, -32601),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}, -32602),
    ],
)
def test_nonsense_is_answered_with_an_error_and_the_server_goes_on(client: Client, message: object, code: int) -> None:
    client.send(message)
    assert client.receive()["error"]["code"] == code
    assert client.ask("ping")["result"] == {}


@pytest.mark.parametrize("arguments", [{"targets": "a"}, {"targets": ["a\0b"]}, {"timeout_s": 0}, {"timeout_s": True}])
def test_arguments_that_make_no_sense_are_told_to_the_model(client: Client, arguments: dict[str, object]) -> None:
    result = client.ask("tools/call", name="run_tests", arguments=arguments)["result"]
    assert result["isError"]
    assert result["content"][0]["text"].startswith("error: ")


def test_what_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    client = Client(tmp_path, Checks(test=("sh", "-c", "echo begun; (sleep 0.8; touch late) & sleep 60")))
    result = client.ask("tools/call", name="run_tests", arguments={"timeout_s": 0.3})["result"]
    assert result["isError"]
    assert "took too long\nbegun" in result["content"][0]["text"]
    time.sleep(1)
    assert not (tmp_path / "late").exists()
    assert client.close() == 0


def test_a_call_can_be_cancelled_while_others_are_answered(tmp_path: Path) -> None:
    client = Client(tmp_path, Checks(test=("sleep", "60"), build=("echo", "built")))
    client.send({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "run_tests"}})
    assert client.ask("tools/call", 8, name="build")["id"] == 8
    client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
    assert client.ask("ping", 9)["id"] == 9  # and nothing of 7
    assert client.close() == 0


def test_long_output_keeps_both_ends(tmp_path: Path) -> None:
    client = Client(tmp_path, Checks(test=("sh", "-c", "echo first; yes | head -c 200000; echo last")))
    text = client.ask("tools/call", name="run_tests")["result"]["content"][0]["text"]
    assert text.startswith("exit code: 0\nfirst\n")
    assert text.endswith("last\n")
    assert len(text) < 31_000
    client.close()


async def test_in_the_sandbox_it_sees_what_is_there_and_nothing_hidden(bench: Bench) -> None:
    """It runs beside the agent, so what the agent cannot reach it cannot either."""
    attempt = await bench.attempt()
    (bench.folder / "hidden_test.py").write_text("assert 'the answer'")
    argv, mounts = server_command(Checks(test=("sh", "-c", f"ls; cat {bench.folder}/hidden_test.py", "sh")))
    asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "run_tests"}}
    # Standard input ends before the answer is there, so a shell keeps it open.
    keeping = ("sh", "-c", '(cat; sleep 5) | "$@"', "sh", *argv)
    done = await attempt.workspace.run(Command(keeping, 20, stdin=json.dumps(asked).encode() + b"\n", mounts=mounts))
    said = json.loads(done.output.splitlines()[0])["result"]["content"][0]["text"]
    assert "calc.py" in said
    if attempt.workspace.tier != "none":
        assert "the answer" not in said


def test_the_command_prints_settings_that_start_the_server(tmp_path: Path) -> None:
    worktrial = [sys.executable, "-m", "worktrial", "verify-server", str(tmp_path)]
    printed = subprocess.run([*worktrial, "--print"], capture_output=True, check=True).stdout
    settings = json.loads(printed)["mcpServers"]["verify"]
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode() + b"\n"
    for argv in ([settings["command"], *settings["args"]], worktrial):
        done = subprocess.run(argv, input=asked, capture_output=True, check=True, cwd=tmp_path)
        tools = json.loads(done.stdout)["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["run_tests", "diagnostics", "lint", "format", "build"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "worktrial", "verify-server", str(tmp_path / "nothing")]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: there is no folder")
