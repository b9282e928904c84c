"""What Pilot's syncz says of each proxy, in words."""

from __future__ import annotations

from typing import Any

import pytest

from flotilla_cli.status.proxies import acknowledged


def kind(acked: int, sent: int, unanswered: int = 0, rejected: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "sent": sent,
        "acknowledged": acked,
        "unanswered": unanswered,
        "rejected": [{"name": name, "version": "v", "text": "no"} for name in rejected],
    }


def proxy(**kinds: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"proxy": "details-v1.default", "resources": kinds}]


CASES = [
    pytest.param(None, {}, id="Pilot is silent"),
    pytest.param([], {}, id="no proxies"),
    pytest.param(
        proxy(listener=kind(3, 3), cluster=kind(12, 12), endpoint=kind(9, 9), route=kind(2, 2)),
        {"details-v1.default": "3 listeners, 12 clusters, 9 endpoints, 2 routes"},
        id="all of it",
    ),
    pytest.param(
        proxy(listener=kind(3, 3), cluster=kind(10, 12, 2), endpoint=kind(9, 9), route=kind(2, 2)),
        {"details-v1.default": "10 of 12 clusters"},
        id="behind",
    ),
    pytest.param(
        proxy(listener=kind(2, 3, 0, ("127.0.2.2_9080",)), cluster=kind(12, 12)),
        {"details-v1.default": "127.0.2.2_9080 rejected"},
        id="rejected",
    ),
    pytest.param(
        proxy(), {"details-v1.default": "0 listeners, 0 clusters, 0 endpoints, 0 routes"}, id="just connected"
    ),
]


@pytest.mark.parametrize(("syncz", "words"), CASES)
def test_what_each_proxy_has_acknowledged(syncz: Any, words: dict[str, str]) -> None:
    assert acknowledged(syncz) == words
