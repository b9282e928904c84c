"""What Pilot's tests share: the example mesh, and the real Envoy's opinion."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flotilla_pilot.testing.envoy import envoy_binary, refusal
from flotilla_pilot.testing.meshes import Compiled

BOOKINFO = Path(__file__).parents[3] / "examples" / "bookinfo" / "local"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of language-neutral cases; absent, the test is skipped."""
    folder = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder


@pytest.fixture
def binary() -> Path:
    """The real Envoy; absent, the test is skipped."""
    found = envoy_binary()
    if found is None:
        pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one into .venv/envoy")
    return found


@pytest.fixture
def validate(binary: Path, tmp_path: Path) -> Callable[[Compiled], None]:
    """Fails, with Envoy's own words, if the real Envoy does not take everything of a proxy."""

    def ask(compiled: Compiled) -> None:
        assert not (words := refusal(binary, compiled, tmp_path)), words

    return ask


@pytest.fixture(scope="session")
def bookinfo() -> str:
    """The YAML of the example mesh, its mesh configuration first."""
    files = sorted((BOOKINFO / "config").glob("*.yaml"))
    return "\n---\n".join(each.read_text() for each in (BOOKINFO / "mesh.yaml", *files))
