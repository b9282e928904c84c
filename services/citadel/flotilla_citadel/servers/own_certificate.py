"""Citadel's own serving certificate: asked of its own authority, with no network and no credential.

It implements the signer of `flotilla_shared.runtime.identity`, so key, renewal and life are the same code as
in every other service (docs/adr/0023), and nothing is generated in a handshake.
"""

from __future__ import annotations

from flotilla_citadel.callers.caller import Caller
from flotilla_citadel.errors import RequestRefused
from flotilla_citadel.servers.authority import Authority, Order
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_shared.runtime.identity import Certificate, SigningRefused


class OwnSigner:
    """Signs for one identity: Citadel's. For use inside the process only: it asks nobody who they are."""

    def __init__(self, authority: Authority, identity: str, issued: IssuedLog) -> None:
        self._authority = authority
        self._caller = Caller(identity, "self", float("inf"))
        self._issued = issued

    async def sign(self, csr_pem: str, ttl_seconds: int, current: Certificate | None) -> list[str]:
        """The chain for a CSR; raises SigningRefused."""
        try:
            issued = self._authority.issue(Order(csr_pem, ttl_seconds), self._caller)
        except RequestRefused as refused:
            raise SigningRefused(refused.text) from refused
        self._issued.add(issued, self._caller, "")
        return list(issued.chain)
