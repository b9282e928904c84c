"""Which filter chains a listener has for each mode of PeerAuthentication and each protocol.

The table is pilot.md 2.6. A caller's ALPN says what its connection carries: one of the mesh's HTTP protocols
lands in an HTTP chain, plain `istio` in a TCP one. Where mutual TLS is switched off, TLS is not looked for: it is
the application's own business, and plain bytes for us.
"""

from dataclasses import dataclass
from enum import Enum

from flotilla_pilot.compile.inspectors import PLAIN_HTTP
from flotilla_pilot.compile.tls import ISTIO_ALPN, ISTIO_HTTP_ALPN
from flotilla_pilot.model.authentication import DISABLE, STRICT
from flotilla_shared.model.protocols import Protocol

TLS = "tls"
PLAIN = "raw_buffer"
_ISTIO_TCP = ("istio", "istio-peer-exchange")


class Kind(Enum):
    HTTP = "http"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Chain:
    """One filter chain: what it matches, whether it ends mutual TLS, what it speaks."""

    transport: str
    alpn: tuple[str, ...]
    kind: Kind
    mutual: bool = False
    own_tls: bool = False
    """It ends TLS with the certificates that the Sidecar names."""


def chains(mode: int, protocol: Protocol) -> tuple[Chain, ...]:
    """The chains for a port of `protocol`; an unknown protocol is found out connection by connection."""
    if protocol.is_http:
        return _known(mode, Kind.HTTP)
    if protocol.is_tcp:
        return _known(mode, Kind.TCP)
    return _unknown(mode)


def own_tls(protocol: Protocol) -> tuple[Chain, ...]:
    """The chain of a port that ends TLS by itself: nothing but TLS is taken, and HTTPS is HTTP inside."""
    http = protocol.is_http or protocol is Protocol.HTTPS
    return (Chain(TLS, (), Kind.HTTP if http else Kind.TCP, own_tls=True),)


def _known(mode: int, kind: Kind) -> tuple[Chain, ...]:
    if mode == STRICT:
        return (Chain(TLS, (), kind, mutual=True),)
    if mode == DISABLE:
        return (Chain(PLAIN, (), kind),)
    both = (Chain(TLS, ISTIO_ALPN, kind, mutual=True), Chain(PLAIN, (), kind))
    return both if kind is Kind.HTTP else (*both, Chain(TLS, (), kind))


def _unknown(mode: int) -> tuple[Chain, ...]:
    http = Chain(TLS, ISTIO_HTTP_ALPN, Kind.HTTP, mutual=True)
    plain = Chain(PLAIN, PLAIN_HTTP, Kind.HTTP), Chain(PLAIN, (), Kind.TCP)
    if mode == STRICT:
        return http, Chain(TLS, (), Kind.TCP, mutual=True)
    if mode == DISABLE:
        return plain
    tcp, foreign = Chain(TLS, _ISTIO_TCP, Kind.TCP, mutual=True), Chain(TLS, (), Kind.TCP)
    return http, tcp, *plain, foreign
