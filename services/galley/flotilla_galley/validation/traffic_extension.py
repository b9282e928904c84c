"""TrafficExtension (rule TX1 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.policy_targets import targets
from flotilla_galley.validation.wasm_plugin import matches, module
from flotilla_protos.istio.extensions.v1alpha1.traffic_extension_pb2 import TrafficExtension

MAX_CODE = 65_536


def validate(spec: TrafficExtension, report: Report, namespace: str) -> None:
    targets(spec, report)
    matches(spec.match, report)
    for where, match in report.each("match", spec.match):
        if not match.ListFields():
            where.wrong("it is empty and matches all traffic, as no match does; say mode or ports, or leave it out")
    kind = spec.WhichOneof("filter_config")
    if kind is None:
        report.wrong("it extends nothing; say wasm or lua")
    elif kind == "wasm":
        module(spec.wasm, report.at("wasm"))
    elif not spec.lua.inline_code:
        report.at("lua").at("inlineCode").wrong("it is missing; write the program")
    elif len(spec.lua.inline_code.encode()) > MAX_CODE:
        report.at("lua").at("inlineCode").wrong(f"the program is longer than {MAX_CODE} bytes")
