"""A running edge for every test that wants one."""

from collections.abc import AsyncGenerator

import pytest

from flotilla_pilot.delivery.connection import Patience
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.testing.discovery import TableCompiler
from flotilla_pilot.testing.edge import Edge


@pytest.fixture
def compiler() -> TableCompiler:
    return TableCompiler(
        {
            "cds": {"a": "a1", "b": "b1"},
            "eds": {"a": "ea1"},
            "lds": {"l": "l1"},
            "rds": {"r": "r1"},
        }
    )


@pytest.fixture
async def edge(compiler: TableCompiler) -> AsyncGenerator[Edge]:
    running = Edge(compiler)
    await running.start()
    running.publish()
    yield running
    await running.stop()


@pytest.fixture(params=["sotw", "delta"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    chosen: Dialect = request.param
    return chosen


@pytest.fixture
async def hasty_edge(compiler: TableCompiler) -> AsyncGenerator[Edge]:
    """An edge that does not wait long, for tests in which nothing comes."""
    running = Edge(compiler, patience=Patience(write=0.3, warming=0.1), probe_seconds=0.2)
    await running.start()
    running.publish()
    yield running
    await running.stop()
