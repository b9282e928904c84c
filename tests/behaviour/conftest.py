"""One small mesh for all tests of a module: its objects are published once, a host for each behaviour."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.behaviour.application import Application
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


@pytest_asyncio.fixture(loop_scope="module")
async def anew(versions: tuple[Application, Application]) -> AsyncIterator[None]:
    """Both versions know nothing of tests before, and hold no connection after this one."""
    for each in versions:
        each.clear()
    yield
    for each in versions:
        each.gate.set()
        await each.hang_up()
