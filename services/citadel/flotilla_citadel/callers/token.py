"""Tokens: a JWT of the configured issuer for a service account, verified with the issuer's public keys.

The same authenticator serves Kubernetes' projected tokens and those that `flotilla up` signs (docs/adr/0022).
"""

from __future__ import annotations

from typing import Any, Protocol

import jwt

from flotilla_citadel.callers.caller import Caller, service_account, workload_identity
from flotilla_citadel.callers.jwks import KeySet, VerificationKey
from flotilla_citadel.callers.memo import Memo
from flotilla_citadel.errors import CallerRefused

MAX_TOKEN_BYTES = 16 * 1024
REQUIRED = ["exp", "iss", "aud", "sub"]  # a token without an end or an audience is a first-party legacy one


class KeySource(Protocol):
    """Where the public keys come from; see JwksFile."""

    generation: int

    def keys(self) -> KeySet:
        """The keys now; raises KeysUnavailable."""


class TokenAuthenticator:
    """Verifies tokens of one issuer. Not thread-safe: it belongs to one loop."""

    def __init__(self, *, issuer: str, audiences: tuple[str, ...], keys: KeySource, trust_domain: str) -> None:
        self.issuer = issuer
        self._audiences = audiences
        self._keys = keys
        self._trust_domain = trust_domain
        self._memo = Memo()
        self._generation = 0

    def caller(self, token: str, now: float) -> Caller:
        """Who holds `token` at `now`. Raises CallerRefused, saying what is wrong, or KeysUnavailable."""
        if len(token) > MAX_TOKEN_BYTES:
            raise CallerRefused("token-too-long", f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        keys = self._keys.keys()
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._memo.clear()
        key = Memo.key(token.encode(errors="surrogatepass"))
        known = self._memo.get(key, now)
        if known is None:
            known = self._verify(token, keys)
            self._memo.put(key, known)
        return known

    def _verify(self, token: str, keys: KeySet) -> Caller:
        claims = self._claims(token, _keys_for(_header(token), keys))
        namespace, account = service_account(claims["sub"])
        identity = workload_identity(self._trust_domain, namespace, account, "token-subject")
        return Caller(identity, "token", _end(claims["exp"]))

    def _claims(self, token: str, keys: KeySet) -> dict[str, Any]:
        """The claims of a token that one of `keys` has signed and that is for us, now."""
        refused = CallerRefused("foreign-token", "the token is not signed by the issuer that this mesh trusts")
        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key.key,
                    algorithms=[key.algorithm],
                    issuer=self.issuer,
                    audience=self._audiences,
                    # The issuer's clock may be a moment ahead; the end of the token is what counts.
                    options={"require": REQUIRED, "verify_iat": False},
                )
            except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError):
                continue
            except Exception as error:  # the bytes are a stranger's: whatever the library raises is a refusal
                raise self._refusal(error) from error
        raise refused

    def _refusal(self, error: Exception) -> CallerRefused:
        for kind, reason, text in (
            (jwt.ExpiredSignatureError, "expired-token", "the token has expired: send a fresh one"),
            (jwt.ImmatureSignatureError, "early-token", "the token is not valid yet: compare the clocks"),
            (
                jwt.InvalidAudienceError,
                "token-audience",
                f"the token is for another audience: one for {' or '.join(self._audiences)} is needed",
            ),
            (jwt.InvalidIssuerError, "token-issuer", f"the token is not from the issuer {self.issuer}"),
        ):
            if isinstance(error, kind):
                return CallerRefused(reason, text)
        if isinstance(error, jwt.MissingRequiredClaimError):
            return CallerRefused("token-claims", f"the token lacks the claim {error.claim!r}")
        return CallerRefused("malformed-token", "the token is not a JWT that can be read")


def _header(token: str) -> dict[str, Any]:
    """The header, unverified: it is only used to pick the key to verify with."""
    try:
        return jwt.get_unverified_header(token)
    except Exception as error:  # as above: RecursionError and others for hostile bytes
        raise CallerRefused("malformed-token", "the token is not a JWT that can be read") from error


def _keys_for(header: dict[str, Any], keys: KeySet) -> tuple[VerificationKey, ...]:
    """The keys that may have signed: the one that is named, or, where none is named, all."""
    key_id = header.get("kid")
    if key_id is None:
        return keys
    return tuple(key for key in keys if key.key_id == key_id)


def _end(expires: object) -> float:
    """The end of a verified token in seconds; a number beyond any date is as malformed as no number."""
    try:
        return float(expires)  # type: ignore[arg-type]  # PyJWT has seen that int() takes it
    except (OverflowError, ValueError, TypeError) as error:
        raise CallerRefused("malformed-token", "the token's end is not a time") from error
