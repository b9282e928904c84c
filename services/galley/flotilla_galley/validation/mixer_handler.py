"""handler: an adapter with its parameters, whose shape the adapter alone knows."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import Handler


def validate(spec: Handler, report: Report, namespace: str) -> None:
    if not spec.compiled_adapter and not spec.adapter:
        report.at("compiledAdapter").wrong(
            "it is missing; name an adapter of Mixer's own, such as denier or prometheus"
        )
    if spec.compiled_adapter and spec.adapter:
        report.at("adapter").warn(
            "it has no effect beside compiledAdapter: that is in Mixer, this a process of its own"
        )
    elif spec.adapter and not spec.connection.address:
        report.at("connection").at("address").wrong("it is missing; say where the adapter's process is")
    if spec.compiled_adapter and spec.HasField("connection"):
        report.at("connection").warn("it is for adapters out of process, and has no effect")
