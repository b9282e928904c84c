"""Fixtures of shared's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()


@pytest.fixture(scope="session")
def vectors() -> Path:
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder
