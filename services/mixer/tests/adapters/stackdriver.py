"""Stackdriver's backend is one of Google's services of a test's own, which checks as they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.adapters.stackdriver.adapter import Stackdriver
from flotilla_mixer.templates.catalogue import EDGE, LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.stackdriver_cases import BUCKETS, PLACE
from flotilla_mixer.testing.stackdriver_server import StackdriverServer
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
LOG = sample_spec(LOG_ENTRY, name="log.instance.test")
SPAN, EDGES = sample_spec(TRACE_SPAN), sample_spec(EDGE)


def with_resource(spec: InstanceSpec) -> tuple[Any, ...]:
    """A row without a resource of its own: the sample's type is none of Google's."""
    row = list(sample_row(spec))
    row[list(spec.template.fields).index("monitored_resource_type")] = ""
    return tuple(row)


def span_row() -> tuple[Any, ...]:
    row = list(sample_row(SPAN))
    row[0:3] = ["463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", ""]
    return tuple(row)


class Google:
    """The server, with the parameters by which it is found."""

    def __init__(self) -> None:
        self._server = StackdriverServer()

    async def start(self) -> Mapping[str, Any]:
        await self._server.start()
        return {"endpoint": self._server.endpoint, "plaintext": True}

    async def stop(self) -> None:
        await self._server.stop()

    def hold(self, held: bool) -> None:
        self._server.hold(held)

    def received(self) -> int:
        return self._server.received()


def metrics(**changes: object) -> dict[str, object]:
    calls = {"kind": "DELTA", "value": "INT64"} | changes
    timed = {"kind": "CUMULATIVE", "value": "DISTRIBUTION", "buckets": BUCKETS}
    return {"metricInfo": {COUNTED.name: calls, TIMED.name: timed}}


def spread(**buckets: object) -> dict[str, object]:
    return metrics(value="DISTRIBUTION", buckets=buckets)


def logs(**changes: object) -> dict[str, object]:
    info = {
        "payloadTemplate": "{{.who}} {{.code}}",
        "labelNames": ["who"],
        "httpMapping": {"url": "code"},
        "trace": "code",
    }
    return {"logInfo": {LOG.name: info | changes}}


def sink(**changes: object) -> dict[str, object]:
    return logs(sinkInfo={"id": "errors", "destination": "storage.googleapis.com/bucket"} | changes)


CALLS, TIME, ENTRIES = (
    f"spec.params.metricInfo[{COUNTED.name}]",
    f"spec.params.metricInfo[{TIMED.name}]",
    f"spec.params.logInfo[{LOG.name}]",
)
CASE = AdapterCase(
    Stackdriver,
    rows={
        COUNTED: [with_resource(COUNTED)] * 3,
        TIMED: [with_resource(TIMED)] * 3,
        LOG: [with_resource(LOG)] * 3,
        SPAN: [span_row()] * 3,
        EDGES: [sample_row(EDGES)] * 3,
    },
    params={
        **PLACE,
        **metrics(),
        **logs(),
        "trace": {"sampleProbability": 1},
        "endpoint": "127.0.0.1:1",
        "plaintext": True,
    },
    secrets={name: {"plaintext": False, name: "/elsewhere/key"} for name in ("serviceAccountPath", "apiKeyPath")},
    wrong=[
        ({"endpoint": "a:b:c"}, "spec.params.endpoint"),
        ({"loggingEndpoint": ":443"}, "spec.params.loggingEndpoint"),
        ({"traceEndpoint": "host:99999"}, "spec.params.traceEndpoint"),
        ({"projectId": "projects/mesh"}, "spec.params.projectId"),
        ({"endpoint": ""}, "spec.params.plaintext"),
        ({"caCertificates": "/ca.pem"}, "spec.params.caCertificates"),
        ({"apiKey": "key"}, "spec.params.apiKey"),
        ({"apiKeyPath": "/key"}, "spec.params.apiKeyPath"),
        ({"serviceAccountPath": "/account.json"}, "spec.params.serviceAccountPath"),
        ({"replicaLabel": "a b"}, "spec.params.replicaLabel"),
        ({"replicaLabel": "mesh_uid"}, "spec.params.replicaLabel"),
        ({"replicaLabel": "who"}, "spec.params.replicaLabel"),
        ({"pushInterval": "-1s"}, "spec.params.pushInterval"),
        ({"pushInterval": "4.9s"}, "spec.params.pushInterval"),
        ({"trace": {"sampleProbability": 1.5}}, "spec.params.trace.sampleProbability"),
        ({"trace": {"sampleProbability": "NaN"}}, "spec.params.trace.sampleProbability"),
        (metrics(kind="METRIC_KIND_UNSPECIFIED"), f"{CALLS}.kind"),
        (metrics(value="MONEY"), f"{CALLS}.value"),
        (metrics(value="STRING"), f"{CALLS}.value"),
        (metrics(metricType="requests"), f"{CALLS}.metricType"),
        (metrics(metricType=f"custom.googleapis.com/{'a' * 200}"), f"{CALLS}.metricType"),
        (metrics(metricType=f"custom.googleapis.com/{TIMED.name}"), f"{TIME}.metricType"),
        (spread(), f"{CALLS}.buckets"),
        (spread(linearBuckets={"numFiniteBuckets": 0, "width": 1}), f"{CALLS}.buckets.linearBuckets.numFiniteBuckets"),
        (spread(linearBuckets={"numFiniteBuckets": 3}), f"{CALLS}.buckets.linearBuckets.width"),
        (
            spread(exponentialBuckets={"numFiniteBuckets": 3, "growthFactor": 1, "scale": 1}),
            f"{CALLS}.buckets.exponentialBuckets.growthFactor",
        ),
        (
            spread(exponentialBuckets={"numFiniteBuckets": 3, "growthFactor": 2}),
            f"{CALLS}.buckets.exponentialBuckets.scale",
        ),
        (
            spread(exponentialBuckets={"numFiniteBuckets": 190, "growthFactor": 1e9, "scale": 1}),
            f"{CALLS}.buckets.exponentialBuckets.growthFactor",
        ),
        (
            spread(exponentialBuckets={"numFiniteBuckets": 199, "growthFactor": 2, "scale": 1}),
            f"{CALLS}.buckets.exponentialBuckets.numFiniteBuckets",
        ),
        (spread(explicitBuckets={"bounds": []}), f"{CALLS}.buckets.explicitBuckets.bounds"),
        (spread(explicitBuckets={"bounds": [1, 1]}), f"{CALLS}.buckets.explicitBuckets.bounds"),
        ({"metricInfo": {}}, "spec.params.metricInfo"),
        ({"logInfo": {}}, "spec.params.logInfo"),
        ({"logInfo": {"a b": {}}}, "spec.params.logInfo[a b]"),
        (logs(payloadTemplate="{{.who"), f"{ENTRIES}.payloadTemplate"),
        (logs(payloadTemplate="{{.where}}"), f"{ENTRIES}.payloadTemplate"),
        (logs(labelNames=["where"]), f"{ENTRIES}.labelNames"),
        (logs(labelNames=["who"] * 65), f"{ENTRIES}.labelNames"),
        (logs(httpMapping={"requestSize": "where"}), f"{ENTRIES}.httpMapping.requestSize"),
        (logs(trace="where"), f"{ENTRIES}.trace"),
        (logs(span="where"), f"{ENTRIES}.span"),
        (sink(id=""), f"{ENTRIES}.sinkInfo.id"),
        (sink(destination="bucket"), f"{ENTRIES}.sinkInfo.destination"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metricInfo"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.DOUBLE), f"{CALLS}.value"),
        (sample_spec(METRIC, name=TIMED.name, value=ValueType.STRING), f"{TIME}.value"),
        (sample_spec(METRIC, ("a.b",), name=COUNTED.name), f"{CALLS}.metricType"),
        (sample_spec(METRIC, [f"a{number}" for number in range(31)], name=COUNTED.name), f"{CALLS}.metricType"),
        (sample_spec(LOG_ENTRY, name="other.instance.test"), "spec.params.logInfo"),
    ],
    backend=Google,
)
