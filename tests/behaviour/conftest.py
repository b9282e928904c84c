"""One small mesh for all tests of a module: its objects are published once, a host for each behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.behaviour.application import Application, Server
from tests.behaviour.small_mesh import SmallMesh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SmallMesh]:
    """Pilot runs; its Envoys are for the module to add."""
    made = SmallMesh(tmp_path_factory.mktemp("mesh"))
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def versions() -> AsyncIterator[tuple[Application, Application]]:
    """Two versions of an application."""
    async with Application("v1") as v1, Application("v2") as v2:
        yield v1, v2


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def anew() -> AsyncIterator[None]:
    """Applications know nothing of tests before, and hold no connection after this one."""
    for each in Server.running:
        await each.hang_up()
        each.clear()
        await each.listen()
    yield
    for each in Server.running:
        each.clear()
        await each.hang_up()
