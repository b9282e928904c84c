"""What each proxy has acknowledged, out of Pilot's /debug/syncz."""

from __future__ import annotations

from typing import Any


def acknowledged(syncz: Any) -> dict[str, str]:
    """Proxy (`name.namespace`) -> what it has acknowledged, for people."""
    return {}
