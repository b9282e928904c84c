"""A pytest plugin: how property tests run. On a machine that is busy nothing fails for being slow.

In CI (`CI` is set) every run tries the same examples, so that a change is judged by the change alone; elsewhere new ones
are tried each time.
"""

from __future__ import annotations

import os

import pytest

# For all examples of a test together. A timeout is raised inside of one of them, and Hypothesis, which cannot make it
# happen again, tells of "inconsistent data generation" instead: so it must mean that a test hangs.
SECONDS = 300


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give property tests their time, but for those that name one."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
