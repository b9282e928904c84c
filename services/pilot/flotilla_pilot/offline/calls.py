"""A call that is played on what was compiled."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    `inbound`: it comes redirected to the way in; else what has no listener comes by the way out. `headers` are by
    lower-case name, `:method` among them; with None routes are chosen by path alone, whatever else they ask for.
    """

    address: str
    port: int
    protocol: str = "http"
    tls: str = "plaintext"
    sni: str = ""
    alpn: str = ""
    host: str = ""
    path: str = "/"
    inbound: bool = False
    headers: Mapping[str, str] | None = None


class Lost(Exception):
    """The call fails on its way; the text is one word."""
