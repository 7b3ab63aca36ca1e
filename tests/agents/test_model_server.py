"""The scripted model server as a program of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

SERVER = Path(__file__).parents[1] / "tools/model_server.py"


async def test_it_runs_as_a_program_and_answers_by_script(tmp_path: Path) -> None:
    """It prints its address, picks the script by the prompt, and records requests without headers."""
    script = tmp_path / "script.json"
    script.write_text(
        json.dumps([{"match": "blue", "turns": [{"text": "sky"}]}, {"turns": [{"text": "other", "usage": None}]}])
    )
    record = tmp_path / "record.jsonl"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SERVER), "--script", str(script), "--key", "sk-test-key", "--record", str(record)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(headers={"Authorization": "Bearer sk-test-key"}) as session:
            for prompt, wanted in (("blue?", "sky"), ("red?", "other")):
                body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
                async with session.post(f"{url}/v1/chat/completions", json=body) as response:
                    answer = await response.json()
                assert answer["choices"][0]["message"]["content"] == wanted
            async with session.post(f"{url}/v1/messages", json={"messages": []}) as response:
                assert response.status == 401
    finally:
        process.terminate()
        await process.wait()
    assert [json.loads(line)["status"] for line in record.read_text().splitlines()] == [200, 200, 401]
    assert "sk-test-key" not in record.read_text()
