"""From a handler's configuration to the handler that calls its backend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from flotilla_mixer.adapters.remote.calls import Calls
from flotilla_mixer.adapters.remote.handler import RemoteHandler
from flotilla_mixer.adapters.remote.inferred import inferred_types
from flotilla_mixer.adapters.remote.service import Service
from flotilla_mixer.adapters.remote.session import EachCall, Session
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.remote import Backend
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec, Variety


class Connector:
    """Makes handlers out of process. With `sessions`, adapters that say session_based are told their parameters by a
    session; without, as in Istio 1.4, they are told nothing.
    """

    def __init__(self, *, sessions: bool = False) -> None:
        self._sessions = sessions

    def __call__(self, backend: Backend, instances: Sequence[InstanceSpec], environment: Environment) -> RemoteHandler:
        """Raises ValueError where it cannot be made."""
        services = {each.name: service_of(each) for each in _templates(instances)}
        calls = Calls(backend, environment)
        told = self._told(backend, instances, calls, environment)
        return RemoteHandler(backend.handler, services, _encoded, calls, told, environment)

    def _told(
        self, backend: Backend, instances: Sequence[InstanceSpec], calls: Calls, environment: Environment
    ) -> EachCall | Session:
        if not backend.session_based:
            return EachCall(backend.config)
        if not self._sessions:
            return EachCall(b"")
        session = Session(calls, backend.config, inferred_types(instances), environment)
        environment.spawn(session.begin(), "session")
        return session


def service_of(template: RemoteTemplate) -> Service:
    """How a template is called. Raises ValueError where its descriptor does not say it whole."""
    assert template.method is not None
    method = template.method
    request = template.messages.message(method.request)
    if request is None:
        raise ValueError(f"the template {template.name} does not describe {method.request}")
    reply: type[Message] | None = None
    if template.output or template.variety is Variety.ATTRIBUTE_GENERATOR:
        reply = template.messages.class_of(method.response)
        if template.variety is Variety.CHECK and not {"result", "output"} <= set(reply.DESCRIPTOR.fields_by_name):
            raise ValueError(f"the reply {method.response} of {template.name} must have a result and an output")
    return Service(method.path, template.variety, request, reply)


def _templates(instances: Iterable[InstanceSpec]) -> list[RemoteTemplate]:
    found = {each.template.name: each.template for each in instances}
    return [each for each in found.values() if isinstance(each, RemoteTemplate)]


def _encoded(instance: InstanceSpec, row: Any) -> bytes:
    """The row of such an instance is its message."""
    content: bytes = row[0]
    return content
