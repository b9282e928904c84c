"""What is said about a token in a TokenReview, and what of a token can be told before. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from flotilla_citadel.callers.caller import Caller, service_account, workload_identity
from flotilla_citadel.errors import CallerRefused
from flotilla_shared.runtime.kube.objects import KubeStruct
from flotilla_shared.runtime.kube.resources import TOKEN_REVIEWS

GROUP = "system:serviceaccounts"
POD_NAME = "authentication.kubernetes.io/pod-name"
MALFORMED = "the token is not a JWT that can be read"


class Claims(msgspec.Struct, frozen=True):
    """The claims of a token that are looked at, unverified: they can only be a reason to refuse it."""

    iss: str = ""
    exp: float | None = None
    aud: str | tuple[str, ...] = ()

    @property
    def audiences(self) -> tuple[str, ...]:
        return (self.aud,) if isinstance(self.aud, str) else self.aud


class ReviewedUser(KubeStruct, frozen=True):
    username: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class ReviewStatus(KubeStruct, frozen=True):
    authenticated: bool = False
    user: ReviewedUser = ReviewedUser()
    audiences: tuple[str, ...] = ()
    error: str = ""


class TokenReview(KubeStruct, frozen=True):
    """The answer."""

    status: ReviewStatus = ReviewStatus()


def review_request(token: str, audiences: Sequence[str]) -> dict[str, Any]:
    """The question whether this token holds for one of these audiences."""
    return {
        "apiVersion": TOKEN_REVIEWS.api_version,
        "kind": TOKEN_REVIEWS.kind,
        "spec": {"token": token, "audiences": list(audiences)},
    }


def read_claims(token: str) -> Claims:
    """What a token says of itself. Raises CallerRefused for a text that is no token."""
    parts = token.split(".")
    if len(parts) != 3 or not all(parts) or not token.isascii():
        raise CallerRefused("malformed-token", MALFORMED)
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        return msgspec.json.decode(payload, type=Claims)
    except (binascii.Error, ValueError, RecursionError, msgspec.DecodeError) as error:
        raise CallerRefused("malformed-token", MALFORMED) from error


def check_claims(claims: Claims, audiences: Sequence[str], now: float) -> float:
    """The token's end. Raises CallerRefused for a token that no review could save."""
    if claims.exp is None or not claims.audiences:
        lacking = "exp" if claims.exp is None else "aud"
        raise CallerRefused(
            "token-claims",
            f"the token lacks the claim {lacking!r}: a projected service account token is needed, not one that never ends",
        )
    if claims.exp <= now:
        raise CallerRefused("expired-token", "the token has expired: send a fresh one")
    if not set(claims.audiences) & set(audiences):
        raise _wrong_audience(audiences)
    return claims.exp


def caller_of(status: ReviewStatus, audiences: Sequence[str], trust_domain: str, end: float) -> Caller:
    """Who holds a token of which this is said. Raises CallerRefused unless it is a service account's, for us."""
    if not status.authenticated:
        raise CallerRefused("token-refused", "the API server does not accept the token", detail=status.error[:500])
    if not set(status.audiences) & set(audiences):  # nothing at all: whoever verified it knows no audiences
        raise _wrong_audience(audiences)
    if GROUP not in status.user.groups:
        raise CallerRefused("token-subject", "the token is not a service account's")
    namespace, account = service_account(status.user.username)
    identity = workload_identity(trust_domain, namespace, account, "token-subject")
    pod = next(iter(status.user.extra.get(POD_NAME, ())), "")
    return Caller(identity, "token", end, f"{namespace}/{pod}" if pod else "")


def _wrong_audience(audiences: Sequence[str]) -> CallerRefused:
    wanted = " or ".join(audiences)
    return CallerRefused("token-audience", f"the token is for another audience: one for {wanted} is needed")
