"""All ways to say who one is, in their order."""

from __future__ import annotations

from collections.abc import Awaitable

from flotilla_citadel.callers.caller import Caller, Credentials
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.callers.review import read_claims
from flotilla_citadel.callers.token import MAX_TOKEN_BYTES, TokenAuthenticator
from flotilla_citadel.callers.token_review import TokenReviewAuthenticator
from flotilla_citadel.errors import CallerRefused, RequestRefused


class Callers:
    """Client certificate first, then token (Istio's order); the first that holds wins. One loop's.

    A token of the configured issuer is verified with its keys, and any other by the API server, where there is one.
    """

    def __init__(
        self,
        certificates: CertificateAuthenticator,
        tokens: TokenAuthenticator | None,
        reviews: TokenReviewAuthenticator | None = None,
    ) -> None:
        self._certificates = certificates
        self._tokens = tokens
        self._reviews = reviews

    def caller(self, credentials: Credentials, now: float) -> Caller | Awaitable[Caller]:
        """Who calls, or, where the API server must be asked, what says so later.

        Raises (now or later) CallerRefused with every credential's fault in one text, KeysUnavailable or
        ReviewUnavailable.
        """
        refusals: list[RequestRefused] = []
        if credentials.certificate_der is not None:
            try:
                return self._certificates.caller(credentials.certificate_der, now)
            except CallerRefused as refused:
                refusals.append(refused)
        if credentials.token is None:
            raise _joined(refusals)
        try:
            found = self._by_token(credentials.token, now)
        except RequestRefused as refused:
            raise _joined([*refusals, refused]) from refused
        return found if found is not None else self._reviewed(credentials.token, refusals)

    def _by_token(self, token: str, now: float) -> Caller | None:
        """None where the API server must be asked."""
        if self._tokens is not None and (self._reviews is None or _issuer(token) == self._tokens.issuer):
            return self._tokens.caller(token, now)
        if self._reviews is not None:
            return self._reviews.known(token, now)
        raise CallerRefused("tokens-off", "tokens are not accepted here, only client certificates")

    async def _reviewed(self, token: str, refusals: list[RequestRefused]) -> Caller:
        assert self._reviews is not None
        try:
            return await self._reviews.ask(token)
        except RequestRefused as refused:
            raise _joined([*refusals, refused]) from refused


def _issuer(token: str) -> str:
    """Who a token says has made it, unverified; empty for a text that is no token."""
    try:
        return read_claims(token).iss if len(token) <= MAX_TOKEN_BYTES else ""
    except CallerRefused:
        return ""


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
