"""Tokens: an ordinary OIDC authenticator accepts them, for an hour, for the one account."""

from __future__ import annotations

import json
import stat

import jwt
import pytest

from flotilla_cli.credentials.tokens import AUDIENCE, ISSUER, LIFE_SECONDS, RENEW_SECONDS, TokenIssuer

NOW = 2_000_000_000


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    return TokenIssuer(clock=lambda: NOW + 0.9)


def key_of(issuer: TokenIssuer, token: str) -> jwt.PyJWK:
    """The key that a verifier picks: by the token's key id, out of the JWKS."""
    keys = jwt.PyJWKSet.from_json(issuer.jwks())
    return keys[jwt.get_unverified_header(token)["kid"]]


def test_a_verifier_reads_the_service_account(issuer):
    token = issuer.token("default", "bookinfo-details")
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(
        token, key_of(issuer, token), algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options=options
    )
    assert claims == {
        "iss": "flotilla-local",
        "sub": "system:serviceaccount:default:bookinfo-details",
        "aud": ["istio-ca"],
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    }


def test_a_token_is_replaced_long_before_it_ends():
    assert RENEW_SECONDS * 2 <= LIFE_SECONDS


def test_the_jwks_file_holds_no_private_part(issuer):
    (key,) = json.loads(issuer.jwks())["keys"]
    assert {"kty", "crv", "x", "y", "kid", "alg", "use"} == set(key)


def test_another_meshs_token_is_not_accepted(issuer):
    other = TokenIssuer()
    token = other.token("default", "a")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, key_of(issuer, token), algorithms=["ES256"], audience=AUDIENCE)


def test_the_file_is_private_and_replaced_whole(issuer, tmp_path):
    file = tmp_path / "details"
    file.write_text("old")
    file.chmod(0o644)
    before = file.open()
    issuer.write(file, "default", "a")
    with before:
        assert before.read() == "old"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().count(".") == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["details"]
