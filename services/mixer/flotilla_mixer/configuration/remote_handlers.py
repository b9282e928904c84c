"""Handlers out of process: an adapter by its object, its parameters as bytes, and where its backend is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from flotilla_mixer.configuration.connections import ConnectionFault, read_connection
from flotilla_mixer.configuration.handlers import HandlerConfig
from flotilla_mixer.configuration.names import ADAPTER, by_full_name, full_name, resolve
from flotilla_mixer.configuration.params import ParamsError, read_params
from flotilla_mixer.configuration.remote_templates import AdapterInfo
from flotilla_mixer.kit.adapter import Environment, Fault, Handler
from flotilla_mixer.kit.remote import Backend, Connect
from flotilla_mixer.templates.remote import RemoteTemplate
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog

# What protobuf's JSON raises where a descriptor has a message of a well-known name that is not that message.
ODD = (AttributeError, TypeError, KeyError)
TYPE_URL = "type.googleapis.com/"


def nowhere(backend: Backend, instances: Sequence[InstanceSpec], environment: Environment) -> Handler:
    """Where nothing is called: a handler out of process is judged and not built."""
    raise ValueError("adapters out of process are not called here")


class RemoteAdapter:
    """An adapter out of process as any other. What it is given as parameters is a Backend."""

    folder = Path()

    def __init__(self, info: AdapterInfo, connect: Connect) -> None:
        self.name = info.name
        self.templates = frozenset(info.templates)
        self.info = info
        self._connect = connect

    def defaults(self) -> Message:
        return Empty()

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        return ()

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> Handler:
        """The handler. Raises ValueError if one of the instances is of a template of which nothing can be called."""
        for each in instances:
            if isinstance(each.template, RemoteTemplate) and each.template.method is None:
                raise ValueError(f"the template {each.template.name} lacks {each.template.missing}")
        return self._connect(params, instances, environment)


class RemoteHandlers:
    """Reads the handlers of one configuration that name an adapter out of process."""

    def __init__(self, adapters: Mapping[ObjectKey, AdapterInfo], connect: Connect, problems: ProblemLog) -> None:
        self._adapters = {key: RemoteAdapter(info, connect) for key, info in adapters.items()}
        self._names = by_full_name(adapters)
        self._problems = problems
        self._found: dict[ObjectKey, tuple[RemoteAdapter, Backend]] = {}

    def adapter_of(self, item: ConfigObject) -> RemoteAdapter | None:
        """The adapter of a handler, or None when the handler cannot be, which is told. Handlers that no rule uses
        are judged as well.
        """
        reference = item.spec.adapter
        key = resolve(self._names, ADAPTER, reference, item.key.namespace)
        found = self._adapters.get(key) if key is not None else None
        if found is None:
            text = f"there is no adapter {reference!r} that works; install its object, or name another."
            self._problems.error(item.key, "unknown-adapter", "spec.adapter", text)
            return None
        backend = self._backend(item, found.info)
        if backend is None:
            return None
        self._found[item.key] = found, backend
        return found

    def _backend(self, item: ConfigObject, info: AdapterInfo) -> Backend | None:
        try:
            config = _config(item, info)
            return read_connection(full_name(item.key), item.spec, config, info.session_based)
        except ParamsError as error:
            self._problems.error(item.key, "bad-params", "spec.params", f"{error}.")
        except ConnectionFault as fault:
            self._problems.error(item.key, "bad-connection", fault.path, f"{fault}.")
        return None

    def read(self, item: ConfigObject, instances: Sequence[InstanceSpec]) -> HandlerConfig:
        """The handler for these instances; `adapter_of` gave its adapter before."""
        adapter, backend = self._found[item.key]
        name = full_name(item.key)
        bound = tuple(sorted(instances, key=lambda each: each.name))
        signature = _signature(backend, adapter.info, bound)
        return HandlerConfig(item.key, name, name, adapter, backend, bound, signature)


def _config(item: ConfigObject, info: AdapterInfo) -> bytes:
    """The Any that holds the parameters. Raises ParamsError."""
    if info.params is None:
        if item.spec.params.fields:
            raise ParamsError(f"the adapter {info.name} takes no parameters")
        return b""
    try:
        params = read_params(item.spec.params, info.params())
    except ODD as error:
        raise ParamsError(f"they cannot be put into {info.params.DESCRIPTOR.full_name}: {error}") from error
    url = f"{TYPE_URL}{info.params.DESCRIPTOR.full_name}"
    return AnyMessage(type_url=url, value=params.SerializeToString(deterministic=True)).SerializeToString()


def _signature(backend: Backend, info: AdapterInfo, instances: Sequence[InstanceSpec]) -> str:
    """Instances' rows are bytes already: what counts is how their templates are called, and how replies are read."""
    digest = hashlib.sha256(f"{info.name}\0{backend!r}\0".encode())
    for each in instances:
        assert isinstance(each.template, RemoteTemplate)
        digest.update(
            f"{each.name}\0{each.template.name}\0{each.template.version}\0{sorted(each.types.items())}".encode()
        )
    return digest.hexdigest()
