"""The file with the token issuer's public keys: what is taken from it, and that it is followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.callers.jwks import MAX_JWKS_BYTES, JwksFile, read_keys
from flotilla_citadel.errors import KeysUnavailable


def jwk(algorithm: str, key: Any, **more: Any) -> dict[str, Any]:
    library: Any = jwt.get_algorithm_by_name(algorithm)
    return {**library.to_jwk(key, as_dict=True), **more}


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
PUBLIC = {
    "rsa": jwk("RS256", RSA.public_key(), kid="rsa"),
    "rsa512": jwk("RS512", RSA.public_key(), kid="rsa512", alg="RS512"),
    "ec": jwk("ES256", EC.public_key(), kid="ec", use="sig"),
    "p384": jwk("ES384", ec.generate_private_key(ec.SECP384R1()).public_key()),
    "ed": jwk("EdDSA", ed25519.Ed25519PrivateKey.generate().public_key(), kid="ed"),
}
UNUSABLE: list[Any] = [
    {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
    {**PUBLIC["ec"], "use": "enc"},
    {**PUBLIC["rsa"], "alg": "RSA-OAEP"},
    jwk("ES256", EC, kid="private"),
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": ["EC"]},
    {},
    "text",
    None,
]


@pytest.mark.parametrize(
    ("name", "key_id", "algorithm"),
    [
        ("rsa", "rsa", "RS256"),
        ("rsa512", "rsa512", "RS512"),
        ("ec", "ec", "ES256"),
        ("p384", None, "ES384"),
        ("ed", "ed", "EdDSA"),
    ],
)
def test_a_key_verifies_with_one_algorithm(name: str, key_id: str | None, algorithm: str) -> None:
    (key,) = read_keys(json.dumps({"keys": [PUBLIC[name]]}).encode())
    assert (key.key_id, key.algorithm) == (key_id, algorithm)


@pytest.mark.parametrize("entry", UNUSABLE)
def test_what_cannot_verify_is_left_out(entry: Any) -> None:
    (key,) = read_keys(json.dumps({"keys": [entry, PUBLIC["ec"]]}).encode())
    assert key.key_id == "ec"
    with pytest.raises(ValueError, match="no usable public key"):
        read_keys(json.dumps({"keys": [entry]}).encode())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Expecting value"),
        (b"[]", "not a JWKS document"),
        (b'{"keys": {}}', "not a JWKS document"),
        (b'{"keys": []}', "no usable public key"),
        (json.dumps({"keys": [{}] * 65}).encode(), "65 keys, at most 64"),
    ],
)
def test_what_is_no_jwks(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_keys(data)


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "kid", "use", "k"]),
        st.text(max_size=8) | st.none(),
    )
)
def test_any_entry_is_taken_or_left_out(entry: dict[str, Any]) -> None:
    assert len(read_keys(json.dumps({"keys": [entry, PUBLIC["rsa"]]}).encode())) in (1, 2)


def put(path: Path, *names: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": [PUBLIC[name] for name in names]}))
    fresh.replace(path)


def test_the_file_is_followed(tmp_path: Path) -> None:
    """Missing, there, changed, broken, gone: keys that were read stay until other keys are read."""
    path = tmp_path / "jwks.json"
    file = JwksFile(path)

    def ids() -> list[str | None]:
        return [key.key_id for key in file.keys()]  # noqa: SIM118

    with pytest.raises(KeysUnavailable) as caught:
        file.keys()
    assert caught.value.detail == f"{path}: No such file or directory"
    assert str(path) not in caught.value.text
    put(path, "ec")
    assert (ids(), file.generation) == (["ec"], 1)
    assert (ids(), file.generation) == (["ec"], 1)
    put(path, "ec", "rsa")
    assert (ids(), file.generation) == (["ec", "rsa"], 2)
    path.write_text("{")
    assert (ids(), file.generation) == (["ec", "rsa"], 2)
    assert file.problem.startswith(f"{path}: ")
    path.write_bytes(b" " * (MAX_JWKS_BYTES + 1))
    assert ids() == ["ec", "rsa"]
    path.unlink()
    assert ids() == ["ec", "rsa"]
    put(path, "rsa")
    assert (ids(), file.generation, file.problem) == (["rsa"], 3, "")


@pytest.mark.parametrize("data", [b"[" * 100_000, b"\xff\xfe", b'{"keys": ' + b"[" * 100_000])
def test_hostile_bytes_are_a_problem_and_no_crash(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(data)
    file = JwksFile(path)
    with pytest.raises(KeysUnavailable):
        file.keys()
    assert file.problem
