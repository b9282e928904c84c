"""A call, as far as policies ask about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})
SPIFFE = "spiffe://"


class AskedCall:
    """Who calls whom, with what. Made for one question and not changed after it was asked.

    `namespace` and `labels` are the called workload's. `principal` is the URI of the caller's certificate, "" where it
    showed none. `host`, `method` and `path` (with its query) are None for a connection that is no HTTP; names of
    `headers` are in lower case. `claims` are those of a token that somebody has verified, by name: texts, lists of
    texts, or claims inside of claims. `facts` holds what else policies may ask about, by the name that they use.
    """

    __slots__ = (
        "claims",
        "destination_ip",
        "destination_port",
        "facts",
        "headers",
        "host",
        "labels",
        "method",
        "namespace",
        "path",
        "principal",
        "remote_ip",
        "service",
        "sni",
        "source_ip",
    )

    def __init__(
        self,
        namespace: str,
        labels: Mapping[str, str] = NOTHING,
        *,
        service: str = "",
        principal: str = "",
        source_ip: bytes = b"",
        remote_ip: bytes = b"",
        destination_ip: bytes = b"",
        destination_port: int = 0,
        sni: str = "",
        host: str | None = None,
        method: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str] = NOTHING,
        claims: Mapping[str, Any] = NOTHING,
        facts: Mapping[str, object] = NOTHING,
    ) -> None:
        self.namespace = namespace
        self.labels = labels
        self.service = service
        self.principal = principal
        self.source_ip = source_ip
        self.remote_ip = remote_ip or source_ip
        self.destination_ip = destination_ip
        self.destination_port = destination_port
        self.sni = sni
        self.host = host
        self.method = method
        self.path = path
        self.headers = headers
        self.claims = claims
        self.facts = facts

    @property
    def is_http(self) -> bool:
        return self.method is not None

    def header(self, name: str) -> str | None:
        """A header by its name in lower case; those of HTTP/2 that begin with a colon too."""
        found = self.headers.get(name)
        if found is not None:
            return found
        match name:
            case ":method":
                return self.method
            case ":authority" | "host":
                return self.host
            case ":path":
                return self.path
        return None
