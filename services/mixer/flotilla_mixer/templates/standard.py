"""Istio's own templates as descriptors: what a `kind: template` object of each would hold."""

from __future__ import annotations

import base64
from importlib import import_module
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_PACKAGE = "flotilla_protos.istio.mixer"
_MODULES = {
    **{
        name: f"{_PACKAGE}.template.{name}.template_handler_service_pb2"
        for name in (
            "apikey",
            "authorization",
            "checknothing",
            "edge",
            "listentry",
            "logentry",
            "metric",
            "quota",
            "reportnothing",
        )
    },
    "tracespan": f"{_PACKAGE}.template.tracespan.tracespan_handler_service_pb2",
    "kubernetes": f"{_PACKAGE}.adapter.kubernetesenv.template.template_handler_service_pb2",
}
STANDARD = tuple(sorted(_MODULES))


def standard_descriptors(name: str) -> FileDescriptorSet:
    """The file of a template of `STANDARD` and all that it imports, imports first."""
    return descriptors_of(import_module(_MODULES[name]))


def descriptors_of(module: Any) -> FileDescriptorSet:
    """The same of a generated module."""
    found: dict[str, FileDescriptorProto] = {}
    _collect(module.DESCRIPTOR, found)
    return FileDescriptorSet(file=found.values())


def _collect(file: Any, found: dict[str, FileDescriptorProto]) -> None:
    if file.name in found:
        return
    for each in file.dependencies:
        _collect(each, found)
    content = FileDescriptorProto()
    file.CopyToProto(content)
    found[file.name] = content


def descriptor_text(found: FileDescriptorSet) -> str:
    """As it stands in an object: base64."""
    return base64.b64encode(found.SerializeToString(deterministic=True)).decode()
