"""The gateway's overhead with full recording, against a raw byte splice in the same run; beside LiteLLM when asked.

The upstream answers at once, so what is measured over asking it directly is what the gateway adds. Requests of about
60 KB grow like a conversation does. Direct, spliced and gatewayed requests take turns, so that a noisy machine is noisy
for all of them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway_peers import KEY, MODEL, Client, bodies
from worktrial.gateway.recording import read_records

SIZE = 60_000
TRIAL = "bench/conversation/1"
CONFIG = """\
[gateway.upstreams.bench]
base_url = "http://127.0.0.1:{port}/v1"
apis = ["openai_chat"]
provider = "openai"
"""


@contextlib.contextmanager
def program(*argv: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program while the block runs."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=cwd, env=env) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def peer(*argv: str) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run one of the peers."""
    return program(sys.executable, "-m", "benchmarks.gateway_peers", *argv)


def port_of(process: subprocess.Popen[str]) -> int:
    """Return the port a peer printed."""
    assert process.stdout is not None
    return int(process.stdout.readline())


@contextlib.contextmanager
def gateway(folder: Path, upstream: int, trials: int = 1) -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """Run `worktrial gateway`, and give the process, its port and the trials' paths."""
    (folder / "worktrial.toml").write_text(CONFIG.format(port=upstream))
    named = [arg for i in range(trials) for arg in ("--trial", f"bench/conversation/{i + 1}")]
    argv = [sys.executable, "-m", "worktrial", "gateway", "--config", str(folder / "worktrial.toml"), "--json"]
    with program(*argv, "--out", str(folder / "out"), *named) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        port = int(ready["url"].rsplit(":", 1)[1])
        yield process, port, [trial["path"] for trial in ready["trials"]]


def percentile(values: list[float], percent: int) -> float:
    """Return a percentile in milliseconds."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1000


def usage(pid: int) -> tuple[float, float]:
    """Return the processor seconds and the resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGESIZE") / 2**20


async def latencies(ports: dict[str, tuple[int, str]], rounds: int, *, stream: bool) -> dict[str, list[float]]:
    """Return the seconds of every request by way: to the end of an answer, or to the first byte of a stream."""
    asked = bodies(rounds, SIZE, stream=stream)
    taken: dict[str, list[float]] = {name: [] for name in ports}
    async with contextlib.AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(Client(*where)) for name, where in ports.items()}
        for i, body in enumerate(asked):
            for name, client in clients.items():
                first, whole, _ = await client.ask(body)
                if i >= rounds // 10:  # the first ones warm up
                    taken[name].append(first if stream else whole)
    return taken


async def throughput(port: int, paths: list[str], pid: int, seconds: float) -> tuple[float, float]:
    """Return requests a second of 16 clients, and the gateway's processor milliseconds of each."""
    asked = bodies(64, SIZE, stream=False)
    until = time.perf_counter() + seconds
    done = 0

    async def work(number: int) -> None:
        nonlocal done
        async with Client(port, paths[number % len(paths)]) as client:
            i = number * 5
            while time.perf_counter() < until:
                await client.ask(
                    asked[i % len(asked)] if i % 3 else asked[i % len(asked)].replace(b"step", b"part%d" % i)
                )
                i += 1
                done += 1

    cpu, began = usage(pid)[0], time.perf_counter()
    await asyncio.gather(*map(work, range(16)))
    wall = time.perf_counter() - began
    return done / wall, (usage(pid)[0] - cpu) / done * 1000


def measure(rounds: int, seconds: float, litellm: Path | None) -> dict[str, float | None]:
    """Run all of it and return the result."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="worktrial-bench-")))
        upstream = port_of(stack.enter_context(peer("upstream")))
        splice = port_of(stack.enter_context(peer("splice", str(upstream))))
        process, port, paths = stack.enter_context(gateway(folder, upstream, trials=16))
        ways = {
            "direct": (upstream, "/v1/chat/completions"),
            "splice": (splice, "/v1/chat/completions"),
            "gateway": (port, f"{paths[0]}/v1/chat/completions"),
        }
        whole = asyncio.run(latencies(ways, rounds, stream=False))
        sse = asyncio.run(latencies(ways, rounds, stream=True))
        per_s, cpu_ms = asyncio.run(
            throughput(port, [f"{path}/v1/chat/completions" for path in paths], process.pid, seconds)
        )
        rss = usage(process.pid)[1]
        records = sum(1 for _ in read_records(folder / "out" / "trials" / TRIAL))
        assert records >= rounds * 2, "not everything was recorded"
        lite = None if litellm is None else litellm_added(litellm, folder, upstream, min(rounds, 150))
    for name, taken in (("whole", whole), ("first byte of a stream", sse)):
        told = {way: f"{percentile(times, 50):.3f}/{percentile(times, 99):.3f}" for way, times in taken.items()}
        print(f"{name}: p50/p99 ms {told}")
    direct = percentile(whole["direct"], 50)
    added = percentile(whole["gateway"], 50) - direct
    spliced = percentile(whole["splice"], 50) - direct
    print(f"processor ms a request: {cpu_ms:.3f}, so {1000 / cpu_ms:.0f} a second on one core")
    print(
        f"added over splice: {added / spliced:.1f} times" + (f"; LiteLLM {lite / added:.0f} times ours" if lite else "")
    )
    return {
        "splice_ms_p50": round(spliced, 3),
        "added_ms_p50": round(added, 3),
        "added_ms_p99": round(percentile(whole["gateway"], 99) - percentile(whole["direct"], 99), 3),
        "sse_first_byte_ms_p50": round(percentile(sse["gateway"], 50) - percentile(sse["direct"], 50), 3),
        "requests_per_s": round(per_s, 1),
        "rss_mib": round(rss, 1),
        "litellm_added_ms_p50": None if lite is None else round(lite, 2),
    }


def litellm_added(venv: Path, folder: Path, upstream: int, rounds: int) -> float:
    """Return the milliseconds that a LiteLLM proxy adds, which is installed into `venv` unless it is there."""
    if not (venv / "bin/litellm").exists():
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(venv)], check=True)
        subprocess.run(["uv", "pip", "install", "-q", "-p", str(venv), "litellm[proxy]"], check=True)
    config = folder / "litellm.yaml"
    model = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "x"}
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": model}]}))
    port = 20000 + os.getpid() % 20000
    argv = [str(venv / "bin/litellm"), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
    with program(*argv, env=env):
        ways = {"direct": (upstream, "/v1/chat/completions"), "litellm": (port, "/v1/chat/completions")}
        for _ in range(120):
            time.sleep(1)
            with contextlib.suppress(OSError, RuntimeError, asyncio.IncompleteReadError):
                asyncio.run(latencies(ways, 3, stream=False))
                break
        taken = asyncio.run(latencies(ways, rounds, stream=False))
    return percentile(taken["litellm"], 50) - percentile(taken["direct"], 50)


async def _stream_on(port: int, path: str, number: int, until: float) -> tuple[int, bytes]:
    done, shortest = 0, b""
    async with Client(port, path) as client:
        while time.perf_counter() < until:
            body = bodies(1, SIZE, stream=True)[0].replace(b"step", b"part %d %d" % (number, done))
            _, _, answer = await client.ask(body)
            shortest = min(shortest or answer, answer, key=len)
            done += 1
    return done, shortest


async def crowd(port: int, paths: list[str], pid: int, seconds: float) -> tuple[int, set[bytes], list[float]]:
    """Stream to as many agents as there are paths; return requests, the distinct answers, and MiB every 10 s."""
    until = time.perf_counter() + seconds
    memory: list[float] = []

    async def watch() -> None:
        while time.perf_counter() < until:
            await asyncio.sleep(10)
            memory.append(round(usage(pid)[1], 1))

    tasks = [_stream_on(port, f"{path}/v1/chat/completions", i, until) for i, path in enumerate(paths)]
    watching = asyncio.create_task(watch())
    done = await asyncio.gather(*tasks)
    await watching
    return sum(count for count, _ in done), {answer for _, answer in done}, memory


def soak(agents: int, seconds: float) -> dict[str, object]:
    """Let many agents stream at once, and check that nothing was lost."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="worktrial-bench-")))
        upstream = port_of(stack.enter_context(peer("upstream", "0.25")))
        with gateway(folder, upstream, trials=agents) as (process, port, paths):
            requests, answers, memory = asyncio.run(crowd(port, paths, process.pid, seconds))
        records = [record for path in (folder / "out/trials").glob("*/*/*") for record in read_records(path)]
    whole = sum(record.outcome == "answered" and record.output_tokens == 300 for record in records)
    return {
        "agents": agents,
        "requests": requests,
        "recorded_whole": whole,
        "answers_that_differ": len(answers) - 1,
        "rss_mib": memory,
    }


def main() -> None:
    """Measure, and print one line of JSON last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1500, help="requests each way")
    parser.add_argument("--seconds", type=float, default=5, help="of full load")
    parser.add_argument("--litellm", type=Path, metavar="VENV", help="measure LiteLLM too; installed there if need be")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="instead: many agents streaming for so long")
    parser.add_argument("--agents", type=int, default=200, help="for --soak")
    given = parser.parse_args()
    if given.soak:
        print(json.dumps(soak(given.agents, given.soak)))
    else:
        print(json.dumps(measure(given.rounds, given.seconds, given.litellm)))


if __name__ == "__main__":
    main()
