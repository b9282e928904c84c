"""Where the reference facts and vectors are: beside the repository, never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))


@pytest.fixture(scope="session")
def wire_facts() -> Path:
    """The folder with one line a field, as Istio 1.4 and today have them."""
    facts = VECTORS.parent / "reference" / "wire"
    if not facts.is_dir():
        pytest.skip(f"no wire facts at {facts}: put the reference beside the repository or set FLOTILLA_VECTORS")
    return facts
