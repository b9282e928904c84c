"""Every adapter passes the suite: those that are installed, each with its file in tests/adapters."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from grpc.aio import init_grpc_aio, shutdown_grpc_aio

from flotilla_mixer.kit.catalogue import GROUP
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.suite import AdapterConformance

FOLDER = Path(__file__).parent / "adapters"
POINTS = {point.name: point for point in entry_points(group=GROUP) if point.value.startswith("flotilla_mixer.")}


def case_of(name: str) -> AdapterCase:
    spec = importlib.util.spec_from_file_location(f"mixer_adapter_case_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: AdapterCase = module.CASE
    return found


KNOWN = [name for name in sorted(POINTS) if (FOLDER / f"{name}.py").exists()]


@pytest.mark.parametrize("case", [pytest.param(case_of(name), id=name) for name in KNOWN])
class TestEveryAdapter(AdapterConformance):
    @pytest.fixture(autouse=True)
    async def _grpc(self) -> AsyncIterator[None]:
        """gRPC's own sockets are there before the suite looks at what is open."""
        init_grpc_aio()
        yield
        shutdown_grpc_aio()


def test_every_adapter_says_what_the_suite_needs() -> None:
    without = sorted(set(POINTS) - set(KNOWN))
    assert not without, f"{without}: write tests/adapters/<name>.py with a CASE, as the others have it"


@pytest.mark.parametrize("name", KNOWN)
def test_a_case_is_of_the_adapter_that_is_installed(name: str) -> None:
    assert case_of(name).adapter is POINTS[name].load()
    assert case_of(name).name == name
