"""The native front in tests."""

from __future__ import annotations

import os

import pytest

from flotilla_shared.runtime.front import use_front

MISSING = "there is no native front: make native, which needs cargo (Rust 1.88 or newer)"


def needs_native() -> None:
    """Skips the test where the front is not installed, which in CI is a failure."""
    if not use_front("auto"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
