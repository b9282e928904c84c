"""What tests of the stackdriver adapter share: instances, parameters, a handler, and waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf import json_format

from flotilla_mixer.adapters.stackdriver.adapter import Stackdriver
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.templates.catalogue import EDGE, LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_server import StackdriverServer
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType

PLACE = {"projectId": "mesh-1", "location": "europe-west1-b", "clusterName": "east"}
BUCKETS = {"explicitBuckets": {"bounds": [1, 10, 100]}}


def metric_spec(
    name: str, value: ValueType = ValueType.INT64, names: Sequence[str] = ("code",), resource: Sequence[str] = ()
) -> InstanceSpec:
    inner = {"dimensions": tuple(sorted(names)), "monitored_resource_dimensions": tuple(sorted(resource))}
    return InstanceSpec(name, METRIC, {"value": value}, inner)


CALLS = metric_spec("calls.instance.ns")
LEVEL = metric_spec("level.instance.ns", ValueType.DOUBLE, ())
TOOK = metric_spec("took.instance.ns", ValueType.DURATION)
UP = metric_spec("up.instance.ns", ValueType.BOOL, ())
VERSION = metric_spec("version.instance.ns", ValueType.STRING, ())
METRICS = {
    CALLS.name: {"kind": "DELTA", "value": "INT64"},
    LEVEL.name: {"kind": "GAUGE", "value": "DOUBLE"},
    TOOK.name: {"kind": "CUMULATIVE", "value": "DISTRIBUTION", "buckets": BUCKETS},
    UP.name: {"kind": "GAUGE", "value": "BOOL"},
    VERSION.name: {"kind": "GAUGE", "value": "STRING"},
}
SPECS = (CALLS, LEVEL, TOOK, UP, VERSION)

LOG = InstanceSpec(
    "access.instance.ns",
    LOG_ENTRY,
    names={
        "variables": ("agent", "code", "from", "latency", "method", "path", "size", "span", "to", "trace"),
        "monitored_resource_dimensions": ("cluster_name", "location", "namespace_name", "pod_name", "project_id"),
    },
)
HTTP = {
    "status": "code",
    "requestSize": "size",
    "responseSize": "size",
    "latency": "latency",
    "localIp": "to",
    "remoteIp": "from",
    "url": "path",
    "method": "method",
    "userAgent": "agent",
    "referer": "method",
}
LOG_INFO = {
    "payloadTemplate": '{{.method}} {{.path}} {{or .agent "nobody"}}',
    "labelNames": ["code", "from"],
    "httpMapping": HTTP,
    "trace": "trace",
    "span": "span",
}
SPAN = InstanceSpec("span.instance.ns", TRACE_SPAN, names={"span_tags": ("http.method", "retried", "size", "took")})
EDGES = InstanceSpec("edge.instance.ns", EDGE)
T0 = Timestamp(1_767_225_600_123_456_789)
TRACE_ID, SPAN_ID, PARENT_ID = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"


def log_row(**changes: Any) -> tuple[Any, ...]:
    """A row of LOG; `resource` is (type, dimensions)."""
    given: dict[str, Any] = {
        "agent": "curl",
        "code": 200,
        "from": bytes([10, 0, 0, 1]),
        "latency": Duration(12_500_000),
        "method": "GET",
        "path": "/cart?id=7",
        "size": 311,
        "span": SPAN_ID,
        "to": bytes([10, 0, 0, 2]),
        "trace": TRACE_ID,
    }
    kind, dimensions = changes.pop("resource", ("", ("",) * 5))
    moment, severity = changes.pop("timestamp", T0), changes.pop("severity", "Warning")
    given |= changes
    return (moment, severity, kind, tuple(given[name] for name in sorted(given)), dimensions)


def span_row(**changes: Any) -> tuple[Any, ...]:
    """A row of SPAN; `tags` are its values in the order of their names."""
    tags = changes.pop("tags", ("GET", True, 7, 1.5))
    given = {
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
        "parent_span_id": PARENT_ID,
        "span_name": "/cart",
        "start_time": T0,
        "end_time": Timestamp(T0 + 12_500_000),
        "http_status_code": 404,
        "client_span": False,
        "rewrite_client_span_id": False,
        "request_total_size": 311,
        "response_total_size": 5_000,
    } | changes
    return (*(given.get(name) for name in TRACE_SPAN.fields), tags)


def edge_row(**changes: Any) -> tuple[Any, ...]:
    given = {
        "timestamp": T0,
        "source_workload_namespace": "shop",
        "source_workload_name": "web",
        "source_owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/web",
        "source_uid": "kubernetes://web-1.shop",
        "destination_workload_namespace": "shop",
        "destination_workload_name": "cart",
        "destination_owner": "kubernetes://apis/apps/v1/namespaces/shop/deployments/cart",
        "destination_uid": "kubernetes://cart-1.shop",
        "destination_service_namespace": "shop",
        "destination_service_name": "cart",
        "context_protocol": "http",
        "api_protocol": "",
    } | changes
    return tuple(given[name] for name in EDGE.fields)


def params_of(server: StackdriverServer | None, **changes: Any) -> Any:
    link = {"endpoint": server.endpoint, "plaintext": True} if server is not None else {}
    content = {
        **PLACE,
        "metricInfo": METRICS,
        "logInfo": {LOG.name: LOG_INFO},
        "trace": {"sampleProbability": 1},
        **link,
        **changes,
    }
    return json_format.ParseDict(
        {key: value for key, value in content.items() if value is not None}, Stackdriver().defaults()
    )


def handler_of(
    server: StackdriverServer, background: Background, specs: Sequence[InstanceSpec] = SPECS, **changes: Any
) -> Any:
    """A handler of parameters that have no faults."""
    params = params_of(server, **changes)
    faults = list(Stackdriver().validate(params, specs))
    assert not faults, faults
    return Stackdriver().build(params, specs, background)


def report(handler: Any, spec: InstanceSpec, *values: Any, dimensions: tuple[Any, ...] | None = None) -> None:
    """Values of `metric`, with the same labels."""
    labels = dimensions if dimensions is not None else (200,) * len(spec.names["dimensions"])
    handler.report([ReportBatch(spec, [(value, None, labels, ()) for value in values])])


async def ended(handler: Any, background: Background, grace_seconds: float = 10.0) -> None:
    """As Mixer closes a handler: what was merged is sent."""
    await background.stop(grace_seconds)
    await handler.close()


async def until(what: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110  # what another process or task does tells nobody
            await asyncio.sleep(0.005)
