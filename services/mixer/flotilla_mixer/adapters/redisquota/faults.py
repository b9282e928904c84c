"""What is wrong with a handler's parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flotilla_mixer.adapters.redisquota.limits import LARGEST, MICROSECONDS, microseconds
from flotilla_mixer.adapters.redisquota.settings import CONNECTIONS, AddressError, address_of
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params

PARAMS = "spec.params"
MOST_CONNECTIONS = 100
MOST_ADDRESSES = 50
MOST_REPLICAS = 10
LONGEST_TIMEOUT = 10 * MICROSECONDS


def faults(params: Any, instances: Sequence[InstanceSpec], default_address: str) -> Iterable[Fault]:
    """`default_address` is that of a handler that names no Redis."""
    yield from _wrong_quotas(params, instances)
    yield from _wrong_server(params)
    yield from _wrong_place(params, default_address)
    yield from _wrong_limits(params)


def _wrong_place(params: Any, default: str) -> Iterable[Fault]:
    """One server, Sentinels or a cluster."""
    if params.HasField("sentinel"):
        yield from _wrong_sentinel(params.sentinel)
    if params.HasField("cluster"):
        yield from _wrong_addresses(f"{PARAMS}.cluster.addresses", params.cluster.addresses, "node of the cluster")
        if params.database:
            yield Fault(f"{PARAMS}.database", "a Redis Cluster has the database 0 alone.")
    both = params.HasField("sentinel") and params.HasField("cluster")
    if both or _is_double(params, default):
        yield Fault(PARAMS, "redisServerUrl, sentinel and cluster exclude one another: give one of them.")


def _is_double(params: Any, default: str) -> bool:
    """Whether an address is given beside Sentinels or a cluster."""
    elsewhere: bool = params.HasField("sentinel") or params.HasField("cluster")
    return elsewhere and params.redis_server_url != default


def _wrong_sentinel(sentinel: Any) -> Iterable[Fault]:
    path = f"{PARAMS}.sentinel"
    if not sentinel.master_name:
        yield Fault(f"{path}.masterName", "name the master as the Sentinels know it, such as mymaster.")
    yield from _wrong_addresses(f"{path}.addresses", sentinel.addresses, "Sentinel")
    yield from _wrong_login(path, sentinel)


def _wrong_addresses(path: str, addresses: Sequence[str], what: str) -> Iterable[Fault]:
    if not 0 < len(addresses) <= MOST_ADDRESSES:
        yield Fault(path, f"one {what} at least must be named, and at most {MOST_ADDRESSES}; three are good.")
    for place, text in enumerate(addresses):
        try:
            address_of(text)
        except AddressError as error:
            yield Fault(f"{path}[{place}]", f"{error}.")


def _wrong_login(path: str, login: Any) -> Iterable[Fault]:
    if login.username and not login.password_file:
        yield Fault(f"{path}.passwordFile", "a user needs a password: name the file that holds it.")
    if bool(login.tls.certificate_file) is not bool(login.tls.key_file):
        yield Fault(f"{path}.tls.keyFile", "certificateFile and keyFile belong together: give both, or none.")


def _wrong_quotas(params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
    if not params.quotas:
        yield Fault(f"{PARAMS}.quotas", "there must be one entry for each quota that rules ask for.")
    known: set[str] = set()
    for number, quota in enumerate(params.quotas):
        yield from _wrong_quota(f"{PARAMS}.quotas[{number}]", quota)
        if quota.name in known:
            yield Fault(f"{PARAMS}.quotas[{number}].name", f"there are two quotas named {quota.name!r}.")
        known.add(quota.name)
    for spec in instances:
        if spec.name not in known:
            yield Fault(f"{PARAMS}.quotas", f"a rule asks for {spec.name}, and no quota has that name.")


def _wrong_quota(path: str, quota: Any) -> Iterable[Fault]:
    window, bucket = microseconds(quota.valid_duration), microseconds(quota.bucket_duration)
    if not quota.name:
        yield Fault(f"{path}.name", "a quota needs the full name of its instance, such as calls.instance.default.")
    if window <= 0:
        yield Fault(f"{path}.validDuration", "a window must be longer than 0.")
    if quota.rate_limit_algorithm not in Params.QuotaAlgorithm.values():
        yield Fault(f"{path}.rateLimitAlgorithm", "it is FIXED_WINDOW or ROLLING_WINDOW.")
    if quota.rate_limit_algorithm == Params.ROLLING_WINDOW and not 0 < bucket < window:
        yield Fault(f"{path}.bucketDuration", "a bucket must be longer than 0 and shorter than its rolling window.")
    yield from _wrong_amount(path, quota)
    for place, override in enumerate(quota.overrides):
        where = f"{path}.overrides[{place}]"
        yield from _wrong_amount(where, override)
        if not override.dimensions:
            yield Fault(f"{where}.dimensions", "an override without dimensions would fit every call.")


def _wrong_amount(path: str, limited: Any) -> Iterable[Fault]:
    if not 0 < limited.max_amount <= LARGEST:
        yield Fault(f"{path}.maxAmount", f"{limited.max_amount} is no limit: it must be from 1 to {LARGEST}.")


def _wrong_server(params: Any) -> Iterable[Fault]:
    try:
        address_of(params.redis_server_url)
    except AddressError as error:
        yield Fault(f"{PARAMS}.redisServerUrl", f"{error}.")
    if params.database < 0:
        yield Fault(f"{PARAMS}.database", f"{params.database} is no number of a database.")
    yield from _wrong_login(PARAMS, params)


def _wrong_limits(params: Any) -> Iterable[Fault]:
    if not 0 <= params.connection_pool_size <= MOST_CONNECTIONS:
        yield Fault(
            f"{PARAMS}.connectionPoolSize", f"there may be 1 to {MOST_CONNECTIONS} connections; 0 is {CONNECTIONS}."
        )
    if not 0 <= params.wait_for_replicas <= MOST_REPLICAS:
        yield Fault(f"{PARAMS}.waitForReplicas", f"there may be 1 to {MOST_REPLICAS} replicas; 0 waits for none.")
    for field, name in (("timeout", "timeout"), ("connect_timeout", "connectTimeout")):
        if not 0 < microseconds(getattr(params, field)) <= LONGEST_TIMEOUT:
            yield Fault(f"{PARAMS}.{name}", "nobody can wait for no time, or for more than 10 s.")
    if params.when_away not in Params.WhenAway.values():
        yield Fault(f"{PARAMS}.whenAway", "it is UNAVAILABLE, GRANT or REFUSE.")
    if params.max_waiting < 1:
        yield Fault(f"{PARAMS}.maxWaiting", "one call at least must be able to wait.")
    if microseconds(params.max_deduplication_duration) < 0:
        yield Fault(f"{PARAMS}.maxDeduplicationDuration", "a time must not be negative; 0: as long as a grant holds.")
