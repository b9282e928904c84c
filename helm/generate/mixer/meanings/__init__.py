"""What attributes and templates mean, in our own words."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


@cache
def meanings(of: str) -> dict[str, Any]:
    """Of `attributes` or `templates`, by name."""
    found: dict[str, Any] = yaml.load((HERE / f"{of}.yaml").read_text(), Loader=yaml.CSafeLoader)  # the safe one
    return found
