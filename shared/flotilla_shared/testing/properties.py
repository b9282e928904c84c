"""A pytest plugin: how property tests run. On a machine that is busy nothing fails for being slow.

Every run tries the same examples, so that a change is judged by the change alone.

`FLOTILLA_EXAMPLES=50` is for `make fuzz`: property tests alone are run, with fifty times as many examples, new ones each time.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

# For all examples of a test together. A timeout is raised inside of one of them, and Hypothesis, which cannot make it
# happen again, tells of "inconsistent data generation" instead: so it must mean that a test hangs.
SECONDS = 300
TIMES = max(1, int(os.environ.get("FLOTILLA_EXAMPLES") or 1))
USUAL = 100


def examples(number: int) -> int:
    """`max_examples` of a test that is content with so many."""
    return number * TIMES


def pytest_configure(config: pytest.Config) -> None:
    """Register and load the profile; without hypothesis there are no property tests."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    settings.register_profile(
        "flotilla",
        deadline=None,
        suppress_health_check=slow,
        derandomize=TIMES == 1,
        database=None,
        max_examples=examples(USUAL),
        print_blob=TIMES > 1,
    )
    settings.load_profile("flotilla")
    if TIMES == 1:
        _forget_constants()


def _forget_constants() -> None:
    """Hypothesis tries numbers and texts that stand in the sources loaded so far: other tests would change the examples."""
    from hypothesis.internal.conjecture import providers
    from hypothesis.internal.constants_ast import Constants

    none = Constants()
    providers._get_local_constants = lambda: none


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give property tests their time, but for those that name one; leave out all others where there are more examples."""
    properties = [item for item in items if _is_property(item)]
    for item in properties:
        if TIMES > 1:
            item.add_marker(pytest.mark.timeout(SECONDS * TIMES), append=False)
        elif not item.get_closest_marker("timeout") and _function(item, "is_hypothesis_test"):
            item.add_marker(pytest.mark.timeout(SECONDS))
    if TIMES > 1:
        config.hook.pytest_deselected(items=[item for item in items if item not in set(properties)])
        items[:] = properties


def _is_property(item: pytest.Item) -> bool:
    """Whether examples are tried in it: by its decorator, or by that of a function inside of it."""
    code = _function(item, "__code__")
    return bool(_function(item, "is_hypothesis_test")) or (code is not None and "given" in code.co_names)


def _function(item: pytest.Item, name: str) -> Any:
    return getattr(getattr(item, "obj", None), name, None)
