"""What Mixer's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.testing.meshes import configured
from flotilla_mixer.testing.redis_server import RedisServer, running_redis
from flotilla_mixer.testing.running import NAME, Running, running_mixer
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Function) -> Mapping[str, Any]:
    """Coroutines run on asyncio's loop, or on those that their module names: Mixer's own is uvloop's, whose transports are
    of other classes.
    """
    return getattr(item.module, "LOOPS", LOOPS)


@pytest.fixture(scope="session")
def example() -> Path:
    """The example mesh's directory."""
    return Path(__file__).parents[3] / "examples" / "bookinfo" / "local"


@pytest.fixture
def view() -> MeshView:
    return configured().view


@pytest.fixture
def metrics() -> MixerMetrics:
    return MixerMetrics(ServiceMetrics("mixer"))


@pytest.fixture
def counted(metrics: MixerMetrics) -> Callable[[], dict[str, int]]:
    """What has not been believed so far, by claim; without zeros."""

    def read() -> dict[str, int]:
        (family,) = metrics.disbelieved.collect()
        return {
            sample.labels["claim"]: int(sample.value)
            for sample in family.samples
            if sample.name.endswith("_total") and sample.value
        }

    return read


@pytest.fixture
def authority() -> CertificateAuthorityForTests:
    made = CertificateAuthorityForTests()
    made.dns_names = (NAME,)
    return made


@pytest.fixture
async def running(authority: CertificateAuthorityForTests) -> AsyncIterator[Running]:
    async with running_mixer(authority) as found:
        yield found


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    yield from running_redis(tmp_path_factory.mktemp("redis"))


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    """One that is empty, and that no test may stop."""
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """One that a test may stop."""
    yield from running_redis(tmp_path)
