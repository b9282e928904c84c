"""Handlers: which adapter, with which parameters, for which instances."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flotilla_mixer.configuration.names import display_name, full_name
from flotilla_mixer.configuration.params import ParamsError, read_params
from flotilla_mixer.kit.adapter import Adapter
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_shared.model.objects import ConfigObject, ObjectKey
from flotilla_shared.model.problems import ProblemLog


@dataclass(frozen=True, slots=True, eq=False)
class HandlerConfig:
    """A handler that is to be there. Two with an equal `signature` do the same: the built one is kept."""

    key: ObjectKey
    name: str
    display: str
    adapter: Adapter
    params: Any
    instances: tuple[InstanceSpec, ...]
    signature: str


class HandlerReader:
    """Reads the handlers of one configuration."""

    def __init__(self, adapters: Mapping[str, Adapter], problems: ProblemLog) -> None:
        self._adapters = adapters
        self._problems = problems

    def adapter_of(self, item: ConfigObject) -> Adapter | None:
        """The adapter of a handler, or None, which is a problem of the handler."""
        if item.spec.adapter:
            text = f"adapters out of process are not supported yet, so {item.spec.adapter!r} cannot be called."
            self._problems.error(item.key, "unknown-adapter", "spec.adapter", text)
            return None
        found = self._adapters.get(item.spec.compiled_adapter)
        if found is None:
            known = ", ".join(sorted(self._adapters))
            text = f"there is no adapter {item.spec.compiled_adapter!r} in this Mixer; it has {known}."
            self._problems.error(item.key, "unknown-adapter", "spec.compiledAdapter", text)
        return found

    def read(self, item: ConfigObject, instances: Sequence[InstanceSpec]) -> HandlerConfig | None:
        """The handler for these instances, or None when its parameters are wrong; then the problems say how."""
        adapter = self._adapters.get(item.spec.compiled_adapter)
        if adapter is None:
            return None
        try:
            params = read_params(item.spec.params, adapter.defaults())
        except ParamsError as error:
            self._problems.error(item.key, "bad-params", "spec.params", f"{error}.")
            return None
        bound = tuple(sorted(instances, key=lambda each: each.name))
        faults = list(adapter.validate(params, bound))
        for fault in faults:
            self._problems.error(item.key, "bad-params", fault.field, fault.text)
        if faults:
            return None
        name = full_name(item.key)
        return HandlerConfig(
            item.key, name, display_name(item.key), adapter, params, bound, _signature(name, adapter, params, bound)
        )


def _signature(name: str, adapter: Adapter, params: Any, instances: Sequence[InstanceSpec]) -> str:
    digest = hashlib.sha256()
    for part in (name, adapter.name):
        digest.update(part.encode() + b"\0")
    digest.update(params.SerializeToString(deterministic=True))
    for each in instances:
        types = (
            sorted(each.types.items()),
            sorted((key, sorted(found.items())) for key, found in each.map_types.items()),
        )
        digest.update(f"\0{each.name}\0{each.template.name}\0{types}".encode())
    return digest.hexdigest()
