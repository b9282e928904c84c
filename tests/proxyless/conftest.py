"""A Pilot, agents without Envoys, and applications whose gRPC library speaks xDS itself: all real, on loopback."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from flotilla_agent.config import AgentSettings, PilotConfig, WorkloadConfig
from flotilla_agent.proxyless.grpc_bootstrap import FILE
from flotilla_agent.proxyless.workload import ProxylessWorkload
from flotilla_agent.status.state import State
from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.testing.discovery import SERVER_NAME
from flotilla_pilot.testing.edge import PILOT, Edge
from flotilla_pilot.testing.meshes import read_objects

PROGRAM = Path(__file__).with_name("echo.py")
POLL_SECONDS = 0.02


class Application:
    """One process, spoken to by lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> str:
        assert self._process.stdout is not None
        return (await asyncio.wait_for(self._process.stdout.readline(), 60)).decode().strip()

    async def call(self, times: int = 1) -> list[str]:
        """Who answered, or the status code with its reason."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n" * times)
        return [await self.line() for _ in range(times)]

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class ProxylessMesh:
    """What one test starts; `close` ends all of it."""

    def __init__(self, folder: Path) -> None:
        self.edge = Edge(Compiler())
        self.agents: dict[str, ProxylessWorkload] = {}
        self._folder = folder
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        await self.edge.start()
        self._stack.push_async_callback(self.edge.stop)

    async def close(self) -> None:
        await self._stack.aclose()

    def publish(self, *documents: str) -> None:
        self.edge.publish_objects(read_objects("---".join(documents)))

    async def agent(self, name: str, address: str, account: str = "echo", **labels: str) -> ProxylessWorkload:
        """A workload whose certificate the mesh's own authority signs; ready."""
        place = f"127.0.0.1:{self.edge.server.bound_port}"
        pilot = PilotConfig(address=place, server_name=SERVER_NAME, identity=PILOT)
        settings = AgentSettings(run_dir=self._folder, pilot=pilot)
        config = WorkloadConfig(
            name=name, namespace="default", service_account=account, kind="grpc", address=address, labels=labels
        )
        agent = self.agents[name] = ProxylessWorkload(settings, config, self.edge.authority)
        await agent.start()
        self._stack.push_async_callback(agent.stop)
        async with asyncio.timeout(30):
            while agent.state is not State.READY:
                await asyncio.sleep(POLL_SECONDS)
        return agent

    async def run(self, agent: str, *arguments: str) -> Application:
        """The echo application beside an agent."""
        environment = {**os.environ, "GRPC_XDS_BOOTSTRAP": str(self.agents[agent].folder / FILE)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        application = Application(process)
        self._stack.push_async_callback(application.kill)
        return application

    async def serve(self, name: str, address: str, port: int, **labels: str) -> None:
        """An agent and a server of that name, which may be called."""
        await self.agent(name, address, **labels)
        application = await self.run(name, "serve", f"{address}:{port}", name)
        assert await application.line() == "serving"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: it holds Unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="fl-"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def mesh(folder: Path) -> AsyncIterator[ProxylessMesh]:
    mesh = ProxylessMesh(folder)
    await mesh.start()
    yield mesh
    await mesh.close()
