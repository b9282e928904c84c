"""What is added to proxies: WasmPlugin, TrafficExtension, Telemetry."""

from __future__ import annotations

from helm.generate.rules.terms import (
    FILLED,
    PERCENT,
    REFERENCES,
    TARGETS,
    Schema,
    Table,
    both,
    each,
    given,
    needs,
    rule,
)

_EXT, _TEL = "istio.extensions.v1alpha1", "istio.telemetry.v1alpha1"
_NAMED = {"": needs("name"), "name": FILLED}
_VALUED = {"": needs("value"), "value": FILLED}
_MODULE: dict[str, Schema] = {
    "url": {
        **FILLED,
        **rule(
            "!self.contains('://') || self.matches('^(oci|https?|file)://')",
            "must begin with oci://, http://, https:// or file://, or with nothing, which is oci",
        ),
    },
    "sha256": {"pattern": "^([a-f0-9]{64})?$"},
    "imagePullSecret": {**FILLED, "maxLength": 253},
    "pluginName": {**FILLED, "maxLength": 256},
}

EXTENSIONS: Table = {
    f"{_EXT}.WasmPlugin": {"": both(needs("url"), TARGETS), "targetRefs": REFERENCES, **_MODULE},
    f"{_EXT}.WasmConfig": {"": needs("url"), **_MODULE},
    f"{_EXT}.VmConfig": {
        "env": {"maxItems": 256, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    },
    f"{_EXT}.EnvVar": {
        "": both(
            needs("name"),
            rule(
                "!(has(self.valueFrom) && self.valueFrom == 'HOST' && has(self.value))",
                "a variable of the host has no value here; remove it, or valueFrom",
            ),
        ),
        "name": {**FILLED, "maxLength": 256},
        "value": {"maxLength": 2048},
    },
    f"{_EXT}.TrafficExtension": {
        "": both(
            rule("has(self.wasm) || has(self.lua)", "it extends nothing; say wasm or lua"),
            rule(
                f"!(has(self.selector) && {given('targetRefs')})",
                "selector and targetRefs exclude each other; keep one of them",
            ),
        ),
        "targetRefs": REFERENCES,
        "match": each({"minProperties": 1}),
    },
    f"{_EXT}.LuaConfig": {"": needs("inlineCode"), "inlineCode": {**FILLED, "maxLength": 65536}},
    f"{_TEL}.Telemetry": {"": TARGETS, "targetRefs": REFERENCES},
    f"{_TEL}.ProviderRef": _NAMED,
    f"{_TEL}.Tracing": {"randomSamplingPercentage": PERCENT},
    f"{_TEL}.Tracing.CustomTag": {"": {"minProperties": 1}},
    f"{_TEL}.Tracing.Literal": _VALUED,
    f"{_TEL}.Tracing.Environment": _NAMED,
    f"{_TEL}.Tracing.RequestHeader": _NAMED,
    f"{_TEL}.Tracing.Formatter": _VALUED,
    f"{_TEL}.MetricSelector": {"customMetric": FILLED},
    f"{_TEL}.MetricsOverrides.TagOverride": {
        "": both(
            rule(
                "(has(self.operation) && self.operation == 'REMOVE') || (has(self.value) && self.value != '')",
                "value is missing; say what the tag is to hold, or operation: REMOVE",
            ),
            rule(
                "!(has(self.operation) && self.operation == 'REMOVE' && has(self.value) && self.value != '')",
                "a tag that is removed has no value",
            ),
        )
    },
}
