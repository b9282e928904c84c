"""adapter and template: what an adapter out of process is given, and what it takes. They travel as plain data."""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.decode import Decoder
from flotilla_galley.validation.struct_values import plain
from flotilla_protos.istio.mixer.adapter.model.v1beta1.info_pb2 import Info
from flotilla_protos.istio.mixer.adapter.model.v1beta1.template_pb2 import Template


def adapter(spec: Struct, report: Report, namespace: str) -> None:
    _as(Info(), spec, report)


def template(spec: Struct, report: Report, namespace: str) -> None:
    _as(Template(), spec, report)


def _as(message: Message, spec: Struct, report: Report) -> None:
    """Whether the data is this message; a field that it has not is an error, as in all kinds of Mixer."""
    decoder = Decoder("error", report.problems)
    decoder.message(message, plain(spec), report.path)
