"""Writes what proves to Citadel who each service and workload is: `python credentials.py FOLDER NAMESPACE/ACCOUNT=FILE...`

A key is made, signs one token for each, and is forgotten; FOLDER/jwks.json holds its public half. For trying a mesh out:
tokens last thirty days and nobody renews them, as Kubernetes would.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "flotilla-compose"
AUDIENCE = "istio-ca"
LIFE_SECONDS = 30 * 86400


def main(folder: Path, wanted: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    _write(folder / "jwks.json", json.dumps({"keys": [{**public, "kid": ISSUER, "alg": "ES256", "use": "sig"}]}))
    now = int(time.time())
    for each in wanted:
        account, _, file = each.partition("=")
        namespace, _, name = account.partition("/")
        claims = {"iss": ISSUER, "sub": f"system:serviceaccount:{namespace}:{name}", "aud": [AUDIENCE]}
        claims |= {"iat": now, "nbf": now, "exp": now + LIFE_SECONDS}
        _write(folder / file, jwt.encode(claims, key, "ES256", headers={"kid": ISSUER}))


def _write(file: Path, text: str) -> None:
    draft = file.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)
    draft.replace(file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
