"""Run as a program: `ask.py ADDRESS SERVER_NAME ROOT TOKEN IDENTITY` asks Citadel as an agent does, and prints the names in
the certificate, one a line; or, with exit code 1, why there is none.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.identity import SigningError, make_csr, read_chain


async def ask(address: str, server_name: str, root: str, token: str, identity: str) -> list[str]:
    """Raises SigningError."""
    key = ec.generate_private_key(ec.SECP256R1())
    client = CitadelClient(address, server_name, Path(root), Path(token))
    found = read_chain(key, await client.sign(make_csr(key, identity), 0, None))
    leaf = x509.load_pem_x509_certificate(found.chain_pem)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(Path(root).read_bytes()))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


if __name__ == "__main__":
    try:
        print("\n".join(asyncio.run(ask(*sys.argv[1:6]))))
    except SigningError as error:
        print(error)
        sys.exit(1)
