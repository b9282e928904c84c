"""Tokens: every reason to refuse one has its word and its sentence, and a good one is verified once."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.callers.caller import Caller
from flotilla_citadel.callers.jwks import JwksFile
from flotilla_citadel.callers.memo import Memo
from flotilla_citadel.callers.token import MAX_TOKEN_BYTES, TokenAuthenticator
from flotilla_citadel.errors import CallerRefused, KeysUnavailable

IDENTITY = "spiffe://cluster.local/ns/default/sa/reviews"
HOUR = 3600


@pytest.fixture
def tokens(issuer: Any) -> TokenAuthenticator:
    """The authenticator of a mesh that trusts `issuer`."""
    return TokenAuthenticator(
        issuer="https://tokens.example",
        audiences=("istio-ca", "flotilla"),
        keys=JwksFile(issuer.path),
        trust_domain="cluster.local",
    )


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_a_good_token(tokens: TokenAuthenticator, issuer: Any) -> None:
    end = now() + 600
    assert tokens.caller(issuer.token(exp=end), now()) == Caller(IDENTITY, "token", float(end))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "istio-ca"},
        {"aud": ["other", "flotilla"]},
        {"nbf": now() - 10},
        {"iat": now() + 30},  # the issuer's clock is a little ahead
        {"iat": None},
        {"kubernetes.io": {"namespace": "elsewhere"}},
    ],
)
def test_other_good_tokens(claims: dict[str, Any], tokens: TokenAuthenticator, issuer: Any) -> None:
    assert tokens.caller(issuer.token(**claims), now()).identity == IDENTITY


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"exp": now() - 1}, "expired-token", "the token has expired: send a fresh one"),
    ({"nbf": now() + HOUR}, "early-token", "the token is not valid yet"),
    (
        {"aud": ["kubernetes"]},
        "token-audience",
        "for another audience: one for istio-ca or flotilla is needed",
    ),
    ({"aud": []}, "token-claims", "the token lacks the claim 'aud'"),
    ({"aud": None}, "token-claims", "the token lacks the claim 'aud'"),
    ({"exp": None}, "token-claims", "the token lacks the claim 'exp'"),
    ({"iss": None}, "token-claims", "the token lacks the claim 'iss'"),
    ({"sub": None}, "token-claims", "the token lacks the claim 'sub'"),
    ({"iss": "https://elsewhere.example"}, "token-issuer", "not from the issuer https://tokens.example"),
    (
        {"sub": "alice"},
        "token-subject",
        "the token's subject is not system:serviceaccount:<namespace>:<name>",
    ),
    ({"sub": "system:serviceaccount:default"}, "token-subject", "the token's subject is not"),
    ({"sub": "system:serviceaccount::reviews"}, "token-subject", "the namespace in the credential"),
    ({"sub": "system:serviceaccount:default:"}, "token-subject", "the service account in the credential"),
    ({"sub": "system:serviceaccount:a/sa/b:c"}, "token-subject", "the namespace in the credential"),
    ({"sub": "system:serviceaccount:default:a,spiffe://x"}, "token-subject", "the service account in the"),
    ({"sub": "system:serviceaccount:default:a:b"}, "token-subject", "the service account in the credential"),
    ({"sub": "system:serviceaccount:default:a\n"}, "token-subject", "the service account in the credential"),
    ({"exp": "soon"}, "malformed-token", "not a JWT that can be read"),
    ({"exp": 10**400}, "malformed-token", "the token's end is not a time"),
]


@pytest.mark.parametrize(("claims", "reason", "text"), REFUSED)
def test_refused_claims(
    claims: dict[str, Any], reason: str, text: str, tokens: TokenAuthenticator, issuer: Any
) -> None:
    with pytest.raises(CallerRefused, match=text.replace("?", r"\?")) as caught:
        tokens.caller(issuer.token(**claims), now())
    assert caught.value.reason == reason


def unsigned(**header: Any) -> str:
    """A token with no signature, as in the best known attack on JWT libraries."""
    parts = [header, {"iss": "https://tokens.example", "aud": "istio-ca", "exp": now() + HOUR, "sub": "x"}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def signed_with_the_public_key(issuer: Any) -> str:
    """The other one: HMAC with the public key, which everybody knows, as the secret."""
    public = issuer.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = unsigned(alg="HS256", kid="one").rstrip(".")
    digest = hmac.digest(public, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda issuer, stranger: stranger.token(), "foreign-token"),
        (lambda issuer, stranger: stranger.token({"kid": None}), "foreign-token"),
        (lambda issuer, stranger: issuer.token({"kid": "unknown"}), "foreign-token"),
        (lambda issuer, stranger: unsigned(alg="none", kid="one"), "foreign-token"),
        (lambda issuer, stranger: unsigned(alg="ES256", kid="one"), "foreign-token"),
        (lambda issuer, stranger: signed_with_the_public_key(issuer), "foreign-token"),
        (lambda issuer, stranger: issuer.token()[:-4] + "AAAA", "foreign-token"),
        (lambda issuer, stranger: unsigned(alg="ES256", kid=7), "malformed-token"),
        (lambda issuer, stranger: unsigned(alg="ES256", kid="one", crit=["b64"]), "malformed-token"),
        (lambda issuer, stranger: "", "malformed-token"),
        (lambda issuer, stranger: "a.b.c", "malformed-token"),
        (lambda issuer, stranger: "\udc80.\x00.é", "malformed-token"),
        (
            lambda issuer, stranger: base64.urlsafe_b64encode(b"[" * 9000).decode() + ".e30.",
            "malformed-token",
        ),
        (lambda issuer, stranger: "x" * (MAX_TOKEN_BYTES + 1), "token-too-long"),
    ],
)
def test_refused_signatures_and_bytes(
    make: Callable[[Any, Any], str], reason: str, tokens: TokenAuthenticator, issuer: Any, stranger: Any
) -> None:
    with pytest.raises(CallerRefused) as caught:
        tokens.caller(make(issuer, stranger), now())
    assert caught.value.reason == reason


def test_no_refusal_repeats_the_token(tokens: TokenAuthenticator, issuer: Any) -> None:
    token = issuer.token(exp=now() - 1)
    with pytest.raises(CallerRefused) as caught:
        tokens.caller(token, now())
    assert not any(part in caught.value.text + caught.value.detail for part in token.split("."))


def test_any_text_is_refused_cleanly(tokens: TokenAuthenticator) -> None:
    @given(st.text(max_size=300) | st.from_regex(r"[\w-]+\.[\w-]+\.[\w-]*", fullmatch=True))
    def check(token: str) -> None:
        with pytest.raises(CallerRefused):
            tokens.caller(token, now())

    check()


def test_any_damage_is_refused(tokens: TokenAuthenticator, issuer: Any) -> None:
    token = issuer.token()

    @given(st.integers(0, len(token) - 8), st.text("abcXYZ019-_.", min_size=1, max_size=4))
    def check(at: int, put: str) -> None:
        damaged = token[:at] + put + token[at + len(put) :]
        if damaged != token:
            with pytest.raises(CallerRefused):
                tokens.caller(damaged, now())

    check()


def test_a_verified_token_is_remembered_until_it_ends(tokens: TokenAuthenticator, issuer: Any) -> None:
    end = now() + 600
    token = issuer.token(exp=end)
    first = tokens.caller(token, now())
    assert tokens.caller(token, now()) is first
    # The memory answers by the caller's clock, so at its end the token is verified again (and is, by today's
    # clock, good).
    assert tokens.caller(token, end) is not first


def test_a_withdrawn_key_ends_what_it_verified(tokens: TokenAuthenticator, issuer: Any, stranger: Any) -> None:
    token = issuer.token()
    tokens.caller(token, now())
    stranger.path = issuer.path
    stranger.publish()
    with pytest.raises(CallerRefused) as caught:
        tokens.caller(token, now())
    assert caught.value.reason == "foreign-token"
    assert tokens.caller(stranger.token(), now()).identity == IDENTITY


def test_keys_are_added_while_running(tokens: TokenAuthenticator, issuer: Any, stranger: Any) -> None:
    stranger.key_id, stranger.key = "two", rsa.generate_private_key(65537, 2048)
    issuer.publish(stranger.jwk())
    for token in (issuer.token(), stranger.token(), stranger.token({"kid": None})):
        assert tokens.caller(token, now()).identity == IDENTITY


def test_without_keys_it_says_so_and_names_no_file(tokens: TokenAuthenticator, issuer: Any) -> None:
    issuer.path.unlink()
    with pytest.raises(KeysUnavailable, match="the keys of their issuer cannot be read") as caught:
        tokens.caller(issuer.token(), now())
    assert str(issuer.path) in caught.value.detail


def test_the_memory_is_bounded() -> None:
    memo = Memo(limit=3)
    for number in range(10):
        memo.put(Memo.key(b"%d" % number), Caller(IDENTITY, "token", time.time() + 60))
        assert len(memo) <= 3
    assert memo.get(Memo.key(b"9"), time.time())
    assert memo.get(Memo.key(b"0"), time.time()) is None
    assert memo.get(Memo.key(b"9"), time.time() + 61) is None
    assert Memo.key(b"token") != b"token"
