"""What each proxy has acknowledged, out of Pilot's /debug/syncz."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {"listener": "listeners", "cluster": "clusters", "endpoint": "endpoints", "route": "routes"}


def acknowledged(syncz: Any) -> dict[str, str]:
    """Proxy (`name.namespace`) -> what it has acknowledged, for people; empty while Pilot is silent."""
    if not isinstance(syncz, list):
        return {}
    return {str(proxy["proxy"]): _words(proxy) for proxy in syncz if isinstance(proxy, Mapping) and "proxy" in proxy}


def _words(proxy: Mapping[str, Any]) -> str:
    """`all of it` in numbers, or what is still open or was rejected."""
    resources = proxy.get("resources") or {}
    rejected = [f"{item['name']} rejected" for kind in KINDS for item in _of(resources, kind).get("rejected", ())]
    if rejected:
        return ", ".join(rejected)
    behind = [
        f"{_of(resources, kind).get('acknowledged', 0)} of {_of(resources, kind).get('sent', 0)} {plural}"
        for kind, plural in KINDS.items()
        if _of(resources, kind).get("unanswered", 0)
    ]
    if behind:
        return ", ".join(behind)
    return ", ".join(f"{_of(resources, kind).get('acknowledged', 0)} {plural}" for kind, plural in KINDS.items())


def _of(resources: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    found = resources.get(kind)
    return found if isinstance(found, Mapping) else {}
