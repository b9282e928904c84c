"""Two helms: tests that take `helm` run with both, `helm4` with the one that CI must have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helm import programs


def _helm(major: int) -> Path:
    try:
        return programs.helm(major)
    except programs.NoHelm as error:
        if major == 4 and os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=(4, 3), ids=("helm4", "helm3"))
def helm(request: pytest.FixtureRequest) -> Path:
    return _helm(request.param)


@pytest.fixture(scope="session")
def helm4() -> Path:
    return _helm(4)
