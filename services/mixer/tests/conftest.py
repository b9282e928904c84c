"""What Mixer's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from flotilla_mixer.app import Mixer
from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.testing.meshes import configured
from flotilla_mixer.testing.running import NAME, Galley, Running
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.testing.certificates import CertificateAuthorityForTests


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
    settings = MixerSettings(
        mixer_port=0,
        prometheus_port=0,
        monitoring_port=0,
        introspection_port=0,
        debounce_seconds=0,
        plaintext=True,
        plaintext_port=0,
    )
    galley = Galley()
    mixer = Mixer(settings, signer=authority, source=galley, receiver=galley)
    await mixer.lifecycle.start()
    yield Running(mixer, galley, authority)
    await mixer.lifecycle.stop()
