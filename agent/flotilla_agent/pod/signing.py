"""Why there is no certificate, for whoever reads a pod's log or its readiness: what Citadel said, and what the files hold."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flotilla_shared.runtime.identity import (
    Certificate,
    CertificateSigner,
    SigningError,
    SigningRefused,
    SigningUnavailable,
)

AUDIENCE = "istio-ca"
# What BoringSSL says of a chain that does not end at our root, or at one of its name alone.
NOT_OUR_ROOT = ("CERTIFICATE_VERIFY_FAILED", "BAD_SIGNATURE")


class ExplainingSigner:
    """A CertificateSigner that asks another, and adds to a refusal what the pod's token and root say about it."""

    def __init__(
        self, signer: CertificateSigner, token_file: Path | None, root_file: Path, service_account: str
    ) -> None:
        self._signer = signer
        self._token_file = token_file
        self._root_file = root_file
        self._account = service_account  # namespace/name

    async def sign(self, csr_pem: str, ttl_seconds: int, current: Certificate | None) -> Sequence[str]:
        """As the other. Raises SigningRefused or SigningUnavailable."""
        try:
            return await self._signer.sign(csr_pem, ttl_seconds, current)
        except SigningRefused as error:
            raise SigningRefused(_joined(error, self._about_token())) from error
        except SigningUnavailable as error:
            raise SigningUnavailable(_joined(error, self._about_root(error) or self._about_files())) from error

    def _about_token(self) -> str:
        if self._token_file is None:
            return ""
        try:
            text = self._token_file.read_text(errors="replace").strip()
        except OSError:
            return ""
        return token_doubt(text, str(self._token_file), self._account, time.time())

    def _about_root(self, error: SigningError) -> str:
        if not any(words in str(error) for words in NOT_OUR_ROOT):
            return ""
        return (
            f"its certificate is not signed by the root in {self._root_file}: the ConfigMap istio-ca-root-cert of this "
            "namespace may be another mesh's, or stale"
        )

    def _about_files(self) -> str:
        if not self._root_file.exists():
            return (
                "Citadel writes the ConfigMap istio-ca-root-cert into every namespace: see that it runs, and that the "
                "volume istiod-ca-cert is mounted"
            )
        there = self._token_file is not None and self._token_file.exists()
        return "" if there else "the volume istio-token (audience istio-ca) is not mounted"


def _joined(error: Exception, more: str) -> str:
    return f"{error}; {more}" if more else str(error)


def token_doubt(token: str, where: str, account: str, now: float) -> str:
    """What of a token Citadel cannot take: pure, one sentence, empty if nothing is seen. The signature is not verified."""
    claims = _claims(token)
    if claims is None:
        return f"{where} holds no JWT"
    audience = claims.get("aud", [])
    audiences = [audience] if isinstance(audience, str) else list(audience)
    if AUDIENCE not in audiences:
        given = ", ".join(map(str, audiences)) or "none"
        return f"the token in {where} is for the audience {given} and Citadel takes {AUDIENCE}: set it on the volume istio-token"
    expires = claims.get("exp", now)
    if isinstance(expires, int | float) and expires < now:
        return f"the token in {where} ended {now - expires:.0f} s ago: the kubelet renews it, see that the node's clock is right"
    subject = str(claims.get("sub", ""))
    if subject != f"system:serviceaccount:{account.replace('/', ':')}":
        return f"the token in {where} is of {subject or 'nobody'} and this workload is {account}"
    return ""


def _claims(token: str) -> dict[str, Any] | None:
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None
