"""RbacConfig and ClusterRbacConfig (rule RC1 of Istio 1.4's validation); their name stands in object_names."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_protos.istio.rbac.v1alpha1.rbac_pb2 import RbacConfig

_NEEDED = {RbacConfig.ON_WITH_INCLUSION: "inclusion", RbacConfig.ON_WITH_EXCLUSION: "exclusion"}


def validate(spec: RbacConfig, report: Report, namespace: str) -> None:
    field = _NEEDED.get(spec.mode)
    if field is not None and not spec.HasField(field):
        mode = RbacConfig.Mode.Name(spec.mode)
        report.at(field).wrong(f"mode {mode} needs it; write services or namespaces, or {field}: {{}} for none")
