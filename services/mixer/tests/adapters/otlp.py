"""Otlp's backend is a collector: OpenTelemetry's services over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotilla_mixer.adapters.otlp.adapter import Otlp
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC, TRACE_SPAN
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_mixer.testing.otlp_server import OtlpServer
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
LOGGED = sample_spec(LOG_ENTRY, name="log.instance.test")
TRACED = sample_spec(TRACE_SPAN, name="span.instance.test")
SPAN = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331", *sample_row(TRACED)[3:])


class Collector:
    """A server that begins and ends."""

    def __init__(self) -> None:
        self._server: OtlpServer | None = None

    async def start(self) -> Mapping[str, Any]:
        self._server = self._server or OtlpServer()
        await self._server.start()
        return {**self._server.params(), "batchDuration": "0s", "metricsInterval": "0.05s"}

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()
            assert self._server.receiver.wrong == []

    def hold(self, held: bool) -> None:
        assert self._server is not None
        self._server.hold(held)

    def received(self) -> int:
        assert self._server is not None
        return self._server.received()


def metrics(**changes: object) -> dict[str, object]:
    calls = {"name": "mesh.calls", "kind": "SUM", "unit": "{call}"} | changes
    return {"metrics": {COUNTED.name: calls, TIMED.name: {"kind": "HISTOGRAM", "bounds": [0.1, 1]}}}


def logs(**changes: object) -> dict[str, object]:
    return {"logs": {LOGGED.name: {"bodyTemplate": "{{.who}} got {{.code}}", "traceId": "who"} | changes}}


def tls(**files: str) -> dict[str, object]:
    return {"plaintext": False, "tls": files}


def http(endpoint: str, **changes: object) -> dict[str, object]:
    return {"protocol": "HTTP", "endpoint": endpoint, "plaintext": False, **changes}


CALLS, LOG, P = f"spec.params.metrics[{COUNTED.name}]", f"spec.params.logs[{LOGGED.name}]", "spec.params"
CASE = AdapterCase(
    Otlp,
    rows={
        **{spec: [sample_row(spec)] * 3 for spec in (COUNTED, TIMED, LOGGED)},
        TRACED: [SPAN] * 3,
    },
    params={"plaintext": True, **metrics(), **logs(), "traces": {TRACED.name: {"resourceTags": ["who"]}}},
    secrets={
        "headerFiles.value.file": {"headerFiles": {"authorization": {"file": "/elsewhere/token"}}},
        "tls.keyFile": {"tls": {"certificateFile": "/kept/cert", "keyFile": "/elsewhere/key"}},
    },
    wrong=[
        ({"endpoint": ":4317"}, f"{P}.endpoint"),
        ({"endpoint": "http://collector:4317"}, f"{P}.endpoint"),
        ({"endpoint": "user@collector:4317"}, f"{P}.endpoint"),
        (http("collector:4318"), f"{P}.endpoint"),
        (http("http://collector:4318"), f"{P}.endpoint"),
        (http("https://collector:4318", plaintext=True), f"{P}.endpoint"),
        (http("https://user:word@collector:4318"), f"{P}.endpoint"),
        (http("https://collector:4318?key=x"), f"{P}.endpoint"),
        (http("https://collector:99999"), f"{P}.endpoint"),
        ({"protocol": 7}, f"{P}.protocol"),
        ({"compression": 7}, f"{P}.compression"),
        ({"temporality": 7}, f"{P}.temporality"),
        ({"tls": {}}, f"{P}.tls"),
        (tls(certificateFile="/cert.pem"), f"{P}.tls"),
        (tls(caFile="ca.pem"), f"{P}.tls.caFile"),
        ({"headers": {"Authorization": "x"}}, f"{P}.headers[Authorization]"),
        ({"headers": {"content-type": "x"}}, f"{P}.headers[content-type]"),
        ({"headers": {"key": "two\nlines"}}, f"{P}.headers[key]"),
        ({"headerFiles": {"grpc-key": {"file": "/key"}}}, f"{P}.headerFiles[grpc-key]"),
        ({"headerFiles": {"key": {}}}, f"{P}.headerFiles[key].file"),
        ({"headerFiles": {"key": {"file": "/key", "prefix": "\n"}}}, f"{P}.headerFiles[key].prefix"),
        ({"headers": {"key": "x"}, "headerFiles": {"key": {"file": "/key"}}}, f"{P}.headerFiles[key]"),
        ({"timeout": "0s"}, f"{P}.timeout"),
        ({"batchDuration": "-1s"}, f"{P}.batchDuration"),
        ({"batchEntries": -1}, f"{P}.batchEntries"),
        ({"maxWaiting": -1}, f"{P}.maxWaiting"),
        ({"metricsInterval": "0s"}, f"{P}.metricsInterval"),
        ({"seriesLimit": -1}, f"{P}.seriesLimit"),
        ({"seriesExpiry": "-1s"}, f"{P}.seriesExpiry"),
        ({"traceSampling": -0.5}, f"{P}.traceSampling"),
        ({"traceSampling": "NaN"}, f"{P}.traceSampling"),
        (metrics(kind="KIND_UNSPECIFIED"), f"{CALLS}.kind"),
        (metrics(kind=17), f"{CALLS}.kind"),
        (metrics(name="1st"), f"{CALLS}.name"),
        (metrics(name="Time"), f"{P}.metrics[{TIMED.name}].name"),
        (metrics(unit="two words"), f"{CALLS}.unit"),
        (metrics(bounds=[2, 1]), f"{CALLS}.bounds"),
        (metrics(bounds=["NaN"]), f"{CALLS}.bounds"),
        (metrics(bounds=list(range(501))), f"{CALLS}.bounds"),
        (metrics(maxSize=1), f"{CALLS}.maxSize"),
        ({"metrics": {}}, f"{P}.metrics"),
        (logs(bodyTemplate="{{.who"), f"{LOG}.bodyTemplate"),
        (logs(bodyTemplate="{{.where}}"), f"{LOG}.bodyTemplate"),
        (logs(traceId="where"), f"{LOG}.traceId"),
        (logs(traceId="", spanId="who"), f"{LOG}.spanId"),
        (logs(severities={"audit": 25}), f"{LOG}.severities[audit]"),
        ({"traces": {TRACED.name: {"resourceTags": ["where"]}}}, f"{P}.traces[{TRACED.name}].resourceTags"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), f"{P}.metrics"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.BOOL), CALLS),
    ],
    backend=Collector,
)
