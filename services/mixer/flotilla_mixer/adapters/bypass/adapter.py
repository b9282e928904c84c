"""The bypass adapter: everything goes to a backend over gRPC (mixer.md 5.7)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.message import Message

from flotilla_mixer.adapters.bypass.rows import row_encoder, types_of
from flotilla_mixer.adapters.remote.calls import Calls
from flotilla_mixer.adapters.remote.connect import service_of
from flotilla_mixer.adapters.remote.handler import RemoteHandler
from flotilla_mixer.adapters.remote.inferred import packed, type_of
from flotilla_mixer.adapters.remote.session import EachCall, Session
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.remote import Backend, target_of
from flotilla_mixer.templates.remote import RemoteTemplate, remote_template
from flotilla_mixer.templates.standard import STANDARD, standard_descriptors
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.bypass.config.config_pb2 import Params

NAME = "bypass"
MISFIT = (TypeError, AttributeError, LookupError, OverflowError, struct.error)


class Bypass:
    """The adapter. `params` go with each call, or to a session where `session_based` says so."""

    name: ClassVar[str] = NAME
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset(STANDARD)

    def defaults(self) -> Message:
        return Params(backend_address="")

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        try:
            target_of(params.backend_address)
        except ValueError as error:
            yield Fault("spec.params.backendAddress", f"{error}.")

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> RemoteHandler:
        described = {name: remote_template(name, standard_descriptors(name)) for name in _names(instances)}
        services = {name: service_of(template) for name, template in described.items()}
        encoders = {each.name: row_encoder(each, described[each.template.name]) for each in instances}
        config = params.params.SerializeToString() if params.HasField("params") else b""
        calls = Calls(Backend(NAME, target_of(params.backend_address)), environment)
        told: EachCall | Session = EachCall(config)
        if params.session_based:
            types = {each.name: packed(_type_of(each, described[each.template.name])) for each in instances}
            told = Session(calls, config, types, environment)
            environment.spawn(told.begin(), "session")
        return RemoteHandler(NAME, services, _encode(encoders), calls, told, environment)


def _names(instances: Iterable[InstanceSpec]) -> set[str]:
    return {each.template.name for each in instances}


def _type_of(instance: InstanceSpec, template: RemoteTemplate) -> Message:
    found = type_of(template, types_of(instance))
    assert found is not None  # each of Istio's own templates has one
    return found


def _encode(encoders: dict[str, Callable[[Any], bytes]]) -> Callable[[InstanceSpec, Any], bytes]:
    def encode(instance: InstanceSpec, row: Any) -> bytes:
        try:
            return encoders[instance.name](row)
        except MISFIT as wrong:
            raise ValueError(f"a row of {instance.name} does not fit: {wrong}") from wrong

    return encode
