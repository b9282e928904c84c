"""Files that others read while they are replaced, and that nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, content: str) -> None:
    """Replaces the file at once and whole; mode 0600 from its first byte on."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(content)
    draft.replace(file)
