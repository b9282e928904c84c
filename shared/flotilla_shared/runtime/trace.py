"""When a version of an object passed where: the hops of a configuration change."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from flotilla_shared.model.objects import ObjectKey

LIMIT = 4096


class HopRecorder:
    """The last hops of one service, bounded. Times are nanoseconds since 1970, so services can be joined."""

    def __init__(self, service: str, limit: int = LIMIT, clock: Callable[[], int] = time.time_ns) -> None:
        self._service = service
        self._clock = clock
        self._hops: deque[tuple[int, str, ObjectKey, str, str, str]] = deque(maxlen=limit)

    def record(self, hop: str, key: ObjectKey, version: str, *, proxy: str = "", detail: str = "") -> None:
        """`hop` is a name of docs/explanation/a-change.md; `proxy` names the proxy or peer that it concerns."""
        self._hops.append((self._clock(), hop, key, version, proxy, detail))

    def hops(
        self, collection: str = "", namespace: str = "", name: str = "", version: str = ""
    ) -> list[dict[str, str | int]]:
        """In the order in which they happened; an argument that is empty matches everything."""
        return [
            {
                "hop": hop,
                "service": self._service,
                "collection": key.collection,
                "namespace": key.namespace,
                "name": key.name,
                "version": seen,
                "proxy": proxy,
                "detail": detail,
                "at_ns": at,
            }
            for at, hop, key, seen, proxy, detail in self._hops
            if collection in ("", key.collection)
            and namespace in ("", key.namespace)
            and name in ("", key.name)
            and version in ("", seen)
        ]

    def topic(self, query: Mapping[str, str]) -> dict[str, object]:
        """The introspection topic `trace`; the query may hold collection, namespace, name and version."""
        wanted = {field: query.get(field, "") for field in ("collection", "namespace", "name", "version")}
        return {"hops": self.hops(**wanted)}
