"""A pytest plugin: how property tests run. On a machine that is busy nothing fails for being slow.

In CI (`CI` is set) every run tries the same examples, so that a change is judged by the change alone; elsewhere new ones
are tried each time.
"""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register and load the profile; without hypothesis there are no property tests."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    settings.register_profile(
        "flotilla", deadline=None, suppress_health_check=slow, derandomize=bool(os.environ.get("CI")), database=None
    )
    settings.load_profile("flotilla")
