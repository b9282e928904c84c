"""Retry policies: Istio's default, and what a VirtualService or the mesh asks for."""

from typing import Any

from envoy.config.route.v3.route_components_pb2 import RetryPolicy
from envoy.extensions.retry.host.previous_hosts.v3.previous_hosts_pb2 import PreviousHostsPredicate
from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import (
    PreviousPrioritiesConfig,
)
from google.protobuf.wrappers_pb2 import UInt32Value

from flotilla_pilot.compile.packing import typed
from flotilla_protos.istio.networking.v1alpha3.virtual_service_pb2 import HTTPRetry

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
INBOUND_RETRY_ON = "reset-before-request"
_ATTEMPTS = 2
_HOST_ATTEMPTS = 5
_PRIORITY_ATTEMPTS = 2


def retry_policy(own: HTTPRetry | None, mesh: HTTPRetry | None, *, hashed: bool = False) -> Any | None:
    """The policy that a route states, else the mesh's, else Istio's two attempts; None for no retries. To be copied.

    `hashed`: the request says which host is its own, so that one is tried again unless the policy says otherwise.
    """
    stated = own if own is not None else mesh
    if stated is None:
        return _DEFAULT_HASHED if hashed else _DEFAULT
    if stated.attempts <= 0:
        return None
    conditions, codes = _conditions(stated.retry_on)
    said = stated.HasField("retry_ignore_previous_hosts")
    ignores = stated.retry_ignore_previous_hosts.value if said else not hashed
    policy = _policy(stated.attempts, conditions, codes, ignores_previous=ignores)
    if stated.HasField("per_try_timeout"):
        policy.per_try_timeout.CopyFrom(stated.per_try_timeout)
    if stated.retry_remote_localities.value:
        policy.retry_priority.CopyFrom(_other_priorities())
    if stated.HasField("backoff"):
        policy.retry_back_off.base_interval.CopyFrom(stated.backoff)
    return policy


def inbound_policy() -> Any:
    """Istio's for calls from a sidecar to its own application, which may close a connection just as it is used again."""
    return RetryPolicy(retry_on=INBOUND_RETRY_ON, num_retries=UInt32Value(value=_ATTEMPTS))


def _other_priorities() -> Any:
    """A priority, which is a distance, that was tried is not tried again before all others were."""
    name = "envoy.retry_priorities.previous_priorities"
    return typed(RetryPolicy.RetryPriority, name, PreviousPrioritiesConfig(update_frequency=_PRIORITY_ATTEMPTS))


def _policy(attempts: int, conditions: str, codes: list[int], *, ignores_previous: bool) -> Any:
    policy = RetryPolicy(
        retry_on=conditions, retriable_status_codes=codes, host_selection_retry_max_attempts=_HOST_ATTEMPTS
    )
    policy.num_retries.value = attempts
    if ignores_previous:
        name = "envoy.retry_host_predicates.previous_hosts"
        predicate = typed(RetryPolicy.RetryHostPredicate, name, PreviousHostsPredicate())
        policy.retry_host_predicate.append(predicate)
    return policy


def _conditions(text: str) -> tuple[str, list[int]]:
    """Numbers among the conditions are status codes to retry on."""
    if not text:
        return RETRY_ON, []
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if part.isdigit() and 100 <= int(part) < 600]
    names = [part for part in parts if not part.isdigit()]
    if codes and "retriable-status-codes" not in names:
        names.append("retriable-status-codes")
    return ",".join(names), codes


_DEFAULT, _DEFAULT_HASHED = (_policy(_ATTEMPTS, RETRY_ON, [], ignores_previous=each) for each in (True, False))
