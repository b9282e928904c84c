"""Leases: somebody writes the root certificates and the status of objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flotilla_cli.health.cluster import Cluster
from flotilla_cli.health.finding import Check, Finding, Section, ok, problem
from flotilla_shared.runtime.kube.resources import LEASES

# Service -> what is not done while nobody leads.
WORK = {"citadel": "root certificates are not published", "galley": "the status of objects is not written"}
# A holder that has not renewed for several times the duration is gone: others would have taken it.
PATIENCE = 4


async def held(cluster: Cluster) -> list[Finding]:
    return [await _look(cluster, service) for service in WORK]


async def _look(cluster: Cluster, service: str) -> Finding:
    name = f"istio-{service}-leader{cluster.suffix}"
    lease = await cluster.one(LEASES, name, cluster.namespace)
    spec = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity")
    mend = f"See the log of istio-{service}."
    if not holder:
        return problem(f"Nobody holds the Lease {name}: {WORK[service]}.", mend)
    renewed = datetime.fromisoformat(str(spec.get("renewTime", "1970-01-01T00:00:00Z")).replace("Z", "+00:00"))
    age = datetime.now(UTC) - renewed
    if age > timedelta(seconds=PATIENCE * int(spec.get("leaseDurationSeconds") or 15)):
        return problem(
            f"{holder} holds the Lease {name} and has not renewed it since {renewed:%H:%M:%S}: {WORK[service]}.", mend
        )
    return ok(f"{holder} leads istio-{service}.")


SECTION = Section("Leaders", [Check("the Leases", held)])
