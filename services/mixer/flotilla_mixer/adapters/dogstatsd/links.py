"""Ways to a Datadog agent."""

from __future__ import annotations

from flotilla_mixer.kit.datagrams import Datagrams, path_of
from flotilla_mixer.kit.framed import UNIX_STREAM, Framed
from flotilla_mixer.kit.metric_lines import Link

DEFAULT_PORT = 8125
UDP_BYTES, SOCKET_BYTES = 1_432, 8_192  # of a datagram or frame, as Datadog's own clients have them


def link_of(address: str) -> Link:
    """By UDP, a Unix socket of datagrams, or one of streams. Raises ValueError for an address that is none."""
    if address.startswith(UNIX_STREAM):
        return Framed(address, SOCKET_BYTES)
    return Datagrams(address, DEFAULT_PORT, SOCKET_BYTES if path_of(address) else UDP_BYTES)
