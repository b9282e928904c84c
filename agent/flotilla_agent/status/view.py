"""A workload as the control API shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flotilla_agent.envoy.admin import Reading
from flotilla_agent.errors import AdminUnavailable
from flotilla_agent.reports.losses import Reports
from flotilla_shared.runtime.identity import WorkloadIdentity

if TYPE_CHECKING:
    from flotilla_agent.status.living import LivingWorkload
    from flotilla_agent.workload import Workload


async def workload_view(workload: LivingWorkload) -> dict[str, Any]:
    """Plain data. `envoy` and `reports` are null for a workload without an Envoy."""
    config = workload.config
    return {
        "name": config.name,
        "namespace": config.namespace,
        "kind": config.kind,
        "address": config.address,
        "state": str(workload.state),
        "reason": workload.reason,
        "certificate": certificate_view(workload.identity),
        "envoy": None,
        "reports": None,
        **await workload.view(),
    }


def reports_view(reports: Reports | None) -> dict[str, Any] | None:
    """Null for an Envoy that knows of no Mixer."""
    if reports is None:
        return None
    return {
        "written": reports.written,
        "lost": reports.lost,
        "waiting": reports.waiting,
        "connected": reports.connected,
        "connect_failures": reports.connect_failures,
    }


def certificate_view(identity: WorkloadIdentity) -> dict[str, Any]:
    """Times as ISO 8601 or null, the serial as hexadecimal digits, never the key."""
    current = identity.current
    return {
        "spiffe": identity.spiffe_id if current is None else current.spiffe,
        "not_before": None if current is None else current.not_before.isoformat(),
        "not_after": None if current is None else current.not_after.isoformat(),
        "serial": "" if current is None else f"{current.serial:x}",
        "last_error": identity.last_error,
    }


async def envoy_view(workload: Workload) -> dict[str, Any]:
    """What Envoy says is asked for now, and is empty where it does not answer."""
    reading = Reading()
    if workload.envoy.running:
        try:
            reading = await workload.admin.reading()
        except AdminUnavailable:
            reading = Reading()
    return {
        "pid": workload.envoy.pid,
        "connected": reading.connected,
        "update_rejected": reading.update_rejected,
        "listeners": reading.listeners,
    }
