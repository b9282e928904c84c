"""The page as a reader sees it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import httpx

SERVED = re.compile(r"Reviews served by: ([\w.-]+)")


class Reader:
    """Somebody who reads the page through the gateway; logged in, if he has a name."""

    def __init__(self, gateway: str, name: str = "") -> None:
        self._client = httpx.Client(base_url=gateway, trust_env=False, timeout=10.0)
        if name:
            self._client.post("/login", data={"username": name, "passwd": ""}).close()

    def close(self) -> None:
        self._client.close()

    def page(self, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return self._client.get("/productpage", headers=dict(headers or {}))

    def versions(self, count: int) -> Counter[str]:
        """Which version of reviews served the page, over so many requests; "none" where it had no reviews."""
        seen: Counter[str] = Counter()
        for _ in range(count):
            found = SERVED.search(self.page().text)
            seen[found[1].removeprefix("reviews-") if found else "none"] += 1
        return seen
