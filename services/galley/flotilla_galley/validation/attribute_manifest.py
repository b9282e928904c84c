"""attributemanifest: attributes with their types."""

from __future__ import annotations

import re

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.policy.v1beta1.cfg_pb2 import AttributeManifest
from flotilla_protos.istio.policy.v1beta1.value_type_pb2 import ValueType

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\Z")


def validate(spec: AttributeManifest, report: Report, namespace: str) -> None:
    for name, info in sorted(spec.attributes.items()):
        where = report.at("attributes", name)
        if not _NAME.match(name):
            where.wrong(
                f"{name!r} is no name of an attribute: words of letters, digits and underscores, joined by dots"
            )
        if info.value_type == ValueType.VALUE_TYPE_UNSPECIFIED:
            known = ", ".join(each for each in ValueType.keys() if not each.startswith("VALUE_"))  # noqa: SIM118
            where.at("valueType").wrong(f"it is missing; there are {known}")
