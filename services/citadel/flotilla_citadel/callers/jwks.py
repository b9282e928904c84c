"""The public keys that tokens are verified with: a JWKS file, read again when it changes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from flotilla_citadel.errors import KeysUnavailable

MAX_JWKS_BYTES = 1024 * 1024
MAX_KEYS = 64
# Public-key algorithms only: with a shared secret whoever verifies could also sign.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One usable key. `algorithm` is the only one that tokens under this key may be signed with."""

    key_id: str | None
    algorithm: str
    key: Any  # a public key object of `cryptography`; PyJWT takes several classes


KeySet = tuple[VerificationKey, ...]


def read_keys(data: bytes) -> KeySet:
    """The usable keys of a JWKS document. Raises ValueError, saying what is wrong, when it holds none."""
    document = json.loads(data)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError('it is not a JWKS document: an object with a list "keys"')  # noqa: TRY004  # a document's fault, no caller's
    if len(entries) > MAX_KEYS:
        raise ValueError(f"it holds {len(entries)} keys, at most {MAX_KEYS} are taken")
    keys = tuple(key for entry in entries if (key := _usable(entry)) is not None)
    if not keys:
        raise ValueError("it holds no usable public key (RSA, EC or Ed25519)")
    return keys


def _usable(entry: object) -> VerificationKey | None:
    """None for what cannot verify: shared secrets, private keys, keys for encryption, other kinds."""
    if not isinstance(entry, dict) or "d" in entry or entry.get("use") not in (None, "sig"):
        return None
    try:
        key = jwt.PyJWK(entry)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    key_id = key.key_id
    return VerificationKey(key_id if isinstance(key_id, str) else None, key.algorithm_name, key.key)


class JwksFile:
    """The keys in a file. Each call of `keys` looks, with one stat, whether the file has changed.

    A broken or missing file never takes away keys that were read before: `problem` says what is wrong with
    it. `generation` grows whenever the keys change, so that what was verified with the old ones can be
    forgotten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self.problem = ""
        self._keys: KeySet = ()
        self._seen: tuple[int, ...] | None = None

    def keys(self) -> KeySet:
        """The keys now. Raises KeysUnavailable when there have never been any."""
        try:
            seen = _signature(self.path)
        except OSError as error:
            seen = (error.errno or 0,)
        if seen != self._seen:
            self._seen = seen
            self._read()
        if not self._keys:
            raise KeysUnavailable(
                "tokens cannot be verified now, because the keys of their issuer cannot be read",
                detail=self.problem,
            )
        return self._keys

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_JWKS_BYTES + 1)
            if len(data) > MAX_JWKS_BYTES:
                raise ValueError(f"it is longer than {MAX_JWKS_BYTES} bytes")
            keys = read_keys(data)
        except (OSError, ValueError, RecursionError) as error:
            self.problem = f"{self.path}: {error.strerror if isinstance(error, OSError) else error}"
            return
        self.problem = ""
        if keys != self._keys:
            self._keys = keys
            self.generation += 1


def _signature(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
