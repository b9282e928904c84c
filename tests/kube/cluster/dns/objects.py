"""The objects of one kind, read from the API server and kept current by a watch, in a thread of its own."""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

PAUSE_SECONDS = 1.0
WATCH_SECONDS = 300
SILENCE_SECONDS = WATCH_SECONDS + 30

Connect = Callable[[float], http.client.HTTPConnection]


class Objects:
    """`current` is replaced, never changed; `on_change` is called after each replacement, on the thread of this kind."""

    def __init__(self, path: str, connect: Connect, on_change: Callable[[], None]) -> None:
        self._path = path
        self._connect = connect
        self._on_change = on_change
        self.current: Mapping[tuple[str, str], dict[str, Any]] = {}
        self.listed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._keep, name=self._path, daemon=True).start()

    def _keep(self) -> None:
        """List and watch for ever; whatever goes wrong, again after a second."""
        while True:
            try:
                self._watch(self._list())
            except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
                print(f"{self._path}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                time.sleep(PAUSE_SECONDS)

    def _list(self) -> str:
        listing = json.loads(self._get(self._path, SILENCE_SECONDS).read())
        self._now({_key(item): item for item in listing["items"]})
        self.listed.set()
        return str(listing["metadata"]["resourceVersion"])

    def _watch(self, version: str) -> None:
        query = f"?watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        response = self._get(self._path + query, SILENCE_SECONDS)
        while line := response.readline():
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise ValueError(event["object"].get("message", "the watch failed"))
            if event["type"] != "BOOKMARK":
                self._apply(event)

    def _apply(self, event: Mapping[str, Any]) -> None:
        changed = dict(self.current)
        changed.pop(_key(event["object"]), None)
        if event["type"] != "DELETED":
            changed[_key(event["object"])] = event["object"]
        self._now(changed)

    def _now(self, current: Mapping[tuple[str, str], dict[str, Any]]) -> None:
        self.current = current
        self._on_change()

    def _get(self, path: str, patience: float) -> http.client.HTTPResponse:
        connection = self._connect(patience)
        connection.request("GET", path)
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError(f"the API server answers {response.status}")
        return response


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]
