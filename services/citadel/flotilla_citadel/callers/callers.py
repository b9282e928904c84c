"""All ways to say who one is, in their order."""

from __future__ import annotations

from flotilla_citadel.callers.caller import Caller, Credentials
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.callers.token import TokenAuthenticator
from flotilla_citadel.errors import CallerRefused, RequestRefused


class Callers:
    """Client certificate first, then token (Istio's order); the first that holds wins. One loop's."""

    def __init__(self, certificates: CertificateAuthenticator, tokens: TokenAuthenticator | None) -> None:
        self._certificates = certificates
        self._tokens = tokens

    def caller(self, credentials: Credentials, now: float) -> Caller:
        """Who calls. Raises CallerRefused with every credential's fault in one text, or KeysUnavailable."""
        refusals: list[RequestRefused] = []
        if credentials.certificate_der is not None:
            try:
                return self._certificates.caller(credentials.certificate_der, now)
            except CallerRefused as refused:
                refusals.append(refused)
        if credentials.token is not None:
            try:
                return self._by_token(credentials.token, now)
            except RequestRefused as refused:
                refusals.append(refused)
        raise _joined(refusals)

    def _by_token(self, token: str, now: float) -> Caller:
        if self._tokens is None:
            raise CallerRefused("tokens-off", "tokens are not accepted here, only client certificates")
        return self._tokens.caller(token, now)


def _joined(refusals: list[RequestRefused]) -> RequestRefused:
    """One refusal for all: the last one, which could still have held, decides the answer's kind."""
    if not refusals:
        return CallerRefused(
            "no-credentials",
            "no caller identity: send a token (authorization: Bearer ...) or this mesh's client certificate",
        )
    if len(refusals) == 1 or not isinstance(refusals[-1], CallerRefused):
        return refusals[-1]
    reason = "+".join(refused.reason for refused in refusals)
    return CallerRefused(reason, "; ".join(refused.text for refused in refusals))
