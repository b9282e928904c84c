"""The adapter of the how-to, run as its page says: in a process of its own, asked by a whole Mixer, killed and back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from flotilla_mixer.explain.explain import explain_check
from flotilla_mixer.explain.question import Question
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running
from flotilla_shared.testing.ports import free_port

SAMPLES = Path("samples", "httpbin", "policy")
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "out-of-process-adapter.md").read_text()
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    ")]
VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors")) / "1.4" / "files" / SAMPLES
PYTHON, ADDRESS, FOLDER = ".venv/bin/python", "127.0.0.1:9070", "my-mesh"
CLIENT = NativeClient(words=222)
INTERNAL = grpc.StatusCode.INTERNAL


def command(part: str) -> str:
    """The command of the page that has this part."""
    (found,) = (line for line in COMMANDS if part in line)
    return found.replace(PYTHON, sys.executable)


class Adapter:
    """The adapter's process."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        words = command("adapter.py").replace(ADDRESS, self.address).split()
        self._process = await asyncio.create_subprocess_exec(*words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            said = await self._process.stdout.readline()
        assert said.decode().strip() == f"keyval listens on {self.address}"

    async def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.communicate()
            self._process = None


@pytest.fixture
async def adapter() -> AsyncIterator[Adapter]:
    found = Adapter()
    await found.start()
    yield found
    await found.kill()


@pytest.fixture
async def objects(tmp_path: Path, adapter: Adapter) -> str:
    """What the page's commands put into the mesh's folder."""
    (tmp_path / "config").mkdir()
    for part in ("describe.py", "handler.yaml"):
        process = await asyncio.create_subprocess_shell(command(part).replace(FOLDER, str(tmp_path)), cwd=ROOT)
        assert await process.wait() == 0
    texts = [each.read_text() for each in sorted((tmp_path / "config").iterdir())]
    return "\n---\n".join(texts).replace(ADDRESS, adapter.address)


def call_from(workload: str) -> dict[str, object]:
    return {
        "source.workload.name": workload,
        "destination.service.name": "ratings",
        "destination.namespace": "default",
        "context.reporter.kind": "inbound",
    }


async def test_whom_the_table_knows_may_pass_and_nobody_else(running: Running, objects: str, adapter: Adapter) -> None:
    await running.put(objects)
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        passed = (await CLIENT.check(channel, CLIENT.check_request(call_from("reviews-v3")))).precondition
        assert (passed.status.code, passed.valid_use_count) == (0, 100)
        (header,) = passed.route_directive.request_header_operations
        assert (header.name, header.value) == ("x-caller", "trusted")
        assert ("source.workload.name", "", "EXACT") in CLIENT.matches(passed.referenced_attributes)

        denied = (await CLIENT.check(channel, CLIENT.check_request(call_from("reviews-v2")))).precondition
        assert denied.status.code == 7
        assert f"    {denied.status.message}" in PAGE
        assert not denied.route_directive.request_header_operations

        await adapter.kill()
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await CLIENT.check(channel, CLIENT.check_request(call_from("reviews-v3")))
        assert failure.value.code() is INTERNAL
        others = await CLIENT.check(channel, CLIENT.check_request({"destination.service.name": "reviews"}))
        assert others.precondition.status.code == 0

        await adapter.start()
        async with asyncio.timeout(30):
            while not await passes(channel):
                await asyncio.sleep(0.05)


async def test_objects_that_istios_own_tools_wrote_call_the_same_server(running: Running, adapter: Adapter) -> None:
    files = [VECTORS / name for name in ("keyval-template.yaml", "keyval.yaml")]
    if not all(file.exists() for file in files):
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    handler = (ROOT / "examples" / "keyval" / "handler.yaml").read_text().replace(ADDRESS, adapter.address)
    await running.put(*(file.read_text() for file in files), handler)
    assert running.mixer.plaintext is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        assert await passes(channel)
        denied = (await CLIENT.check(channel, CLIENT.check_request(call_from("reviews-v2")))).precondition
        assert denied.status.code == 7


async def test_an_explanation_shows_the_message_and_what_came_back(
    running: Running, objects: str, adapter: Adapter
) -> None:
    await running.put(objects)
    table = running.mixer.swap.table
    assert table is not None
    found = await explain_check(table, Question(call_from("reviews-v3")))
    (asked,) = found["asked"]
    assert (asked["handler"], asked["template"]) == ("callers.handler.istio-system", "keyval.template.istio-system")
    assert asked["values"] == {"key": "reviews-v3"}
    assert asked["said"]["outputs"] == {"value": "trusted"}
    await adapter.kill()
    (asked,) = (await explain_check(table, Question(call_from("reviews-v3"))))["asked"]
    assert asked["said"] == {"error": "handler callers.handler.istio-system failed: unreachable"}


async def passes(channel: grpc.aio.Channel) -> bool:
    try:
        answer = await CLIENT.check(channel, CLIENT.check_request(call_from("reviews-v3")))
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.precondition.status.code == 0)
