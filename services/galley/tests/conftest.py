"""Fixtures of Galley's tests: a certificate authority, folders, and where the vectors are."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_shared.model.objects import Problem
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

ROOT = Path(__file__).parents[3]
NAMES = ("istio-galley.istio-system.svc",)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of language-neutral cases; absent, the test is skipped."""
    folder = Path(os.environ.get("FLOTILLA_VECTORS", ROOT.parent / "shared" / "vectors"))
    if not folder.is_dir():
        pytest.skip(f"no vectors at {folder}: set FLOTILLA_VECTORS to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def bookinfo() -> Path:
    return ROOT / "examples" / "bookinfo" / "local"


@pytest.fixture(scope="session")
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()


@pytest.fixture
def one() -> Callable[[str], SourceObject]:
    """The one object of a YAML text; it must read without problems."""

    def read(text: str) -> SourceObject:
        found, problems = read_objects("test.yaml", text)
        assert problems == []
        assert len(found) == 1
        return found[0]

    return read


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "config"
    place.mkdir()
    return place


def fields(problems: list[Problem] | tuple[Problem, ...]) -> list[tuple[str, str]]:
    return [(problem.field, problem.code) for problem in problems]
