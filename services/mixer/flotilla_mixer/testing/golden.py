"""Files that say what an adapter sends, byte by byte or message by message."""

from __future__ import annotations

import os
from pathlib import Path

REWRITE = "REWRITE_GOLDEN"


def hold_to(file: Path, found: str) -> None:
    """AssertionError, with the command that writes the file anew, where this is not what is in it."""
    if os.environ.get(REWRITE):
        file.parent.mkdir(exist_ok=True)
        file.write_text(found)
    wanted = file.read_text() if file.exists() else ""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].partition(" ")[0]
    assert found == wanted, f"{file.name} differs; if that is right: {REWRITE}=1 .venv/bin/python -m pytest {test}"
