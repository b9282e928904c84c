"""The workload's certificate as files, which gRPC's libraries read again from time to time."""

from __future__ import annotations

import os
from pathlib import Path

from flotilla_shared.runtime.identity import Certificate

CHAIN = "cert-chain.pem"
KEY = "key.pem"
ROOTS = "root-cert.pem"


def write_certificate(folder: Path, certificate: Certificate, mode: int = 0o600) -> None:
    """Each file is replaced whole. Raises OSError.

    A library that reads between two replacements sees a key that is not the certificate's, keeps what it has and
    reads again: the key goes first, so that it is so for the shortest time.
    """
    for name, content in ((KEY, certificate.key_pem), (CHAIN, certificate.chain_pem), (ROOTS, certificate.root_pem)):
        _replace(folder / name, content, mode)


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(content)
    fresh.replace(path)
