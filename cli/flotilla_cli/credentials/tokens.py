"""The local issuer: signs a token for each service and workload, as Kubernetes projects one into each pod.

Citadel verifies them with its ordinary OIDC authenticator, against the JWKS file. The key lives in the
supervisor's memory alone, so a token ends with its hour and the issuer with the mesh.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from flotilla_cli.credentials.files import write_private

ISSUER = "flotilla-local"
AUDIENCE = "istio-ca"
LIFE_SECONDS = 3600
RENEW_SECONDS = 1800
ALGORITHM = "ES256"
KEY_ID = "flotilla-up"


class TokenIssuer:
    """One key, made when the mesh starts. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._clock = clock

    def jwks(self) -> str:
        """The public half, as Citadel's `oidc_jwks_file` holds it."""
        key = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return json.dumps({"keys": [{**key, "kid": KEY_ID, "alg": ALGORITHM, "use": "sig"}]})

    def token(self, namespace: str, service_account: str) -> str:
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{namespace}:{service_account}",
            "aud": [AUDIENCE],
            "iat": now,
            "nbf": now,
            "exp": now + LIFE_SECONDS,
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": KEY_ID})

    def write(self, file: Path, namespace: str, service_account: str) -> None:
        """A fresh token into the file, 0600, replaced whole: readers open it at every call."""
        write_private(file, self.token(namespace, service_account))
