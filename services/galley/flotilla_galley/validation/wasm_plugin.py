"""WasmPlugin, and the same settings in a TrafficExtension (rule WP1 of Istio's validation)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.policy_targets import targets
from flotilla_protos.istio.extensions.v1alpha1.traffic_extension_pb2 import WasmConfig
from flotilla_protos.istio.extensions.v1alpha1.wasm_pb2 import EnvValueSource, EnvVar, WasmPlugin

SCHEMES = ("", "file", "http", "https", "oci")
MAX_NAME = 256
MAX_SECRET = 253
_SHA256 = re.compile(r"[a-f0-9]{64}\Z")


def validate(spec: WasmPlugin, report: Report, namespace: str) -> None:
    targets(spec, report)
    module(spec, report)
    matches(spec.match, report)


def module(spec: WasmPlugin | WasmConfig, report: Report) -> None:
    """Where the module is and what it is given."""
    report.check(_url, "url", spec.url)
    if spec.sha256 and not _SHA256.match(spec.sha256):
        report.at("sha256").wrong("it must be 64 digits of 0 to 9 and a to f")
    if len(spec.image_pull_secret) > MAX_SECRET:
        report.at("imagePullSecret").wrong(f"the name is longer than {MAX_SECRET} characters")
    if len(spec.plugin_name) > MAX_NAME:
        report.at("pluginName").wrong(f"the name is longer than {MAX_NAME} characters")
    _variables(spec.vm_config.env, report.at("vmConfig"))


def matches(found: Iterable[Any], report: Report) -> None:
    """The traffic that an extension sees."""
    for where, match in report.each("match", found):
        for place, port in where.each("ports", match.ports):
            place.check(checks.port, "number", port.number)


def _url(url: str) -> str:
    if not url:
        return "it is missing; say where the module is, such as oci://registry.example.com/filter:v1"
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        return f"{url!r} is no address: {error}"
    if scheme not in SCHEMES:
        return f"{url!r} begins with {scheme}; there are {', '.join(SCHEMES[1:])}, and none (which is oci)"
    return ""


def _variables(variables: Iterable[EnvVar], report: Report) -> None:
    seen: set[str] = set()
    for where, variable in report.each("env", variables):
        if not variable.name:
            where.at("name").wrong("it is missing")
        elif len(variable.name) > MAX_NAME:
            where.at("name").wrong(f"the name is longer than {MAX_NAME} characters")
        elif variable.name in seen:
            where.at("name").wrong(f"{variable.name!r} is named twice", "duplicate")
        seen.add(variable.name)
        if variable.value_from != EnvValueSource.INLINE and variable.value:
            where.at("value").wrong("a variable of the host has no value here; remove it, or valueFrom")
