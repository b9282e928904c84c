"""Which names a caller may have beside its identity: the control plane's DNS names, by the settings alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_citadel.errors import CsrRefused
from flotilla_shared.model.spiffe import spiffe_id

Grants = Mapping[str, tuple[str, ...]]  # identity -> DNS names; nobody else has any


def service_names(service: str, namespace: str, domain: str) -> tuple[str, ...]:
    """The four names under which a service of the control plane is dialled, shortest first."""
    return (
        service,
        f"{service}.{namespace}",
        f"{service}.{namespace}.svc",
        f"{service}.{namespace}.svc.{domain}",
    )


def control_plane_grants(
    accounts: Mapping[str, Iterable[str]], *, trust_domain: str, namespace: str, domain: str
) -> Grants:
    """The grants for `accounts` (service account -> services), all of which run in `namespace`."""
    return {
        spiffe_id(trust_domain, namespace, account): tuple(
            name for service in services for name in service_names(service, namespace, domain)
        )
        for account, services in accounts.items()
    }


def check_names(asked: Iterable[str], identity: str, granted: Iterable[str]) -> None:
    """Raise CsrRefused when a CSR asks for a name that is not the caller's.

    Istio ignores such names and signs for the caller; a client that asks for another identity is broken or
    worse, so it is told (docs/adr/0020). The names never reach the certificate either way.
    """
    allowed = {identity, *granted}
    foreign = sorted({name for name in asked if name not in allowed})
    if not foreign:
        return
    shown = ", ".join(repr(name[:200]) for name in foreign[:3])
    raise CsrRefused(
        f"the CSR asks for {shown}, and the caller is {identity}: "
        "leave the subject alternative name out of the CSR, or name the caller's own identity",
        foreign_names=True,
    )
