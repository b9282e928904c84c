"""The states of a workload, and why an Envoy that runs is not ready."""

from __future__ import annotations

from enum import StrEnum

from flotilla_agent.envoy.admin import LIVE, Reading


class State(StrEnum):
    """waiting-for-certificate -> starting <-> ready -> draining -> stopped
    failed -> (tried again) starting
    """

    WAITING = "waiting-for-certificate"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


def why_not_ready(reading: Reading, envoy_state: str, pilot: str) -> str:
    """One sentence; empty if it is ready: it has listeners and clusters from Pilot, and serves.

    A first configuration that was rejected keeps it from being ready, as with Istio's agent; a later one does not.
    """
    if not reading.configured:
        if reading.update_rejected:
            return "Envoy has rejected the configuration that Pilot sent; its log says why"
        if not reading.connected:
            return f"Pilot at {pilot} does not answer yet"
        return f"Pilot at {pilot} has not sent listeners and clusters yet"
    return "" if envoy_state == LIVE else f"Envoy is {envoy_state}"
