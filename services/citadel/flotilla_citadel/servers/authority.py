"""One request, from who asks to what is signed. gRPC and Citadel itself both come through here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flotilla_citadel.ca.csr import read_csr
from flotilla_citadel.ca.grants import Grants, check_names
from flotilla_citadel.ca.lifetime import Lifetimes
from flotilla_citadel.ca.sign import IssuedCertificate, Signer
from flotilla_citadel.callers.caller import Caller, Credentials
from flotilla_citadel.callers.callers import Callers
from flotilla_citadel.errors import ImpersonationRefused


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: a CSR, a life (<= 0: the default), and an identity named in the request's metadata,
    if any.
    """

    csr_pem: str
    seconds: int
    impersonated: str = ""


class Authority:
    """Authenticates, checks and signs. One loop's; every method returns at once (under a millisecond)."""

    def __init__(
        self,
        signer: Signer,
        callers: Callers,
        grants: Grants,
        lifetimes: Lifetimes,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.signer = signer
        self._callers = callers
        self._grants = grants
        self._lifetimes = lifetimes
        self._clock = clock

    def authenticate(self, credentials: Credentials) -> Caller | Awaitable[Caller]:
        """Who calls, or what says so when the API server has answered. Raises, now or then, CallerRefused,
        KeysUnavailable or ReviewUnavailable.
        """
        return self._callers.caller(credentials, self._clock())

    def issue(self, order: Order, caller: Caller) -> IssuedCertificate:
        """A certificate for `caller`, and never for anybody else, whatever the order says.

        Raises ImpersonationRefused, CsrRefused, LifetimeRefused or SignerUnusable.
        """
        if order.impersonated and order.impersonated != caller.identity:
            raise ImpersonationRefused("request impersonation authentication failure: nobody may be impersonated here")
        life = self._lifetimes.granted(order.seconds)
        request = read_csr(order.csr_pem)
        dns_names = self._grants.get(caller.identity, ())
        check_names(request.names, caller.identity, dns_names)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return self.signer.sign(request, caller.identity, dns_names, life, now)
