"""The value that authentication ends in, and what it begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from flotilla_citadel.errors import CallerRefused
from flotilla_shared.model.spiffe import spiffe_id

SUBJECT_PREFIX = "system:serviceaccount:"
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
SERVICE_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What came with a call: the bearer token without its prefix, the DER of the client's leaf, if any."""

    token: str | None = None
    certificate_der: bytes | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `expires` is when the credential ends (seconds since 1970), `pod` the Pod that its token is
    bound to (`namespace/name`), where that is known.
    """

    identity: str
    by: Literal["token", "certificate", "self"]
    expires: float
    pod: str = ""


def workload_identity(trust_domain: str, namespace: str, service_account: str, reason: str) -> str:
    """The SPIFFE id for names that a credential brought. Raises CallerRefused(reason) unless they are
    Kubernetes names: a name with `/` or `,` in it could otherwise spell somebody else's identity.
    """
    if not NAMESPACE.fullmatch(namespace):
        raise CallerRefused(reason, "the namespace in the credential is not a valid Kubernetes name")
    if not SERVICE_ACCOUNT.fullmatch(service_account):
        raise CallerRefused(reason, "the service account in the credential is not a valid Kubernetes name")
    return spiffe_id(trust_domain, namespace, service_account)


def service_account(subject: object) -> tuple[str, str]:
    """(namespace, service account) of a token's subject `system:serviceaccount:<ns>:<sa>`. Raises CallerRefused."""
    text = subject if isinstance(subject, str) else ""
    namespace, colon, account = text.removeprefix(SUBJECT_PREFIX).partition(":")
    if not text.startswith(SUBJECT_PREFIX) or not colon:
        raise CallerRefused("token-subject", f"the token's subject is not {SUBJECT_PREFIX}<namespace>:<name>")
    return namespace, account
