"""What was signed lately, for the introspection page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from flotilla_citadel.ca.sign import IssuedCertificate
from flotilla_citadel.callers.caller import Caller


@dataclass(frozen=True, slots=True)
class Entry:
    """One issue: public facts only, neither key nor certificate."""

    certificate: IssuedCertificate
    caller: Caller
    peer: str

    def view(self) -> dict[str, object]:
        issued = self.certificate
        return {
            "identity": issued.identity,
            "dns_names": list(issued.dns_names),
            "serial": f"{issued.serial:x}",
            "not_before": issued.not_before.isoformat(),
            "not_after": issued.not_after.isoformat(),
            "authenticated_by": self.caller.by,
            "pod": self.caller.pod,
            "peer": self.peer,
        }


class IssuedLog:
    """The last `limit` issues, newest first when shown."""

    def __init__(self, limit: int = 256) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)

    def add(self, certificate: IssuedCertificate, caller: Caller, peer: str) -> None:
        self._entries.append(Entry(certificate, caller, peer))

    def view(self, query: dict[str, str] | None = None) -> dict[str, object]:
        """The topic `certificates`; `query` may hold `identity`, a part of the identities wanted."""
        wanted = (query or {}).get("identity", "")
        return {"certificates": [e.view() for e in reversed(self._entries) if wanted in e.certificate.identity]}
