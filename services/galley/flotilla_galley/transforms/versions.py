"""The version of an object that is made of others (1.4's galley/pkg/config/synthesize)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

PREFIX = "$ing_"


def merged_version(parts: Iterable[tuple[str, str]]) -> str:
    """`$ing_` and the base64 (no padding) of the SHA-256 over each name and version, one behind the other."""
    digest = hashlib.sha256()
    for name, version in parts:
        digest.update(f"{name}{version}".encode())
    return PREFIX + base64.b64encode(digest.digest()).decode().rstrip("=")
