"""Where the example mesh is."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from flotilla_cli.errors import PlanError


def example_directory() -> Path:
    """Bookinfo's `local/`, beside the installed applications; raises PlanError if they are not installed."""
    spec = find_spec("flotilla_bookinfo")
    package = Path(spec.origin).parent if spec and spec.origin else None
    for place in (package / "local", package.parent / "local") if package else ():
        if place.is_dir():
            return place
    raise PlanError(
        "The Bookinfo example is not installed.",
        "Name a mesh's directory, or run `make install` in the source.",
    )
