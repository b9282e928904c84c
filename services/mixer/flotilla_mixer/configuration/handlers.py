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
        found = self._adapters.get(item.spec.compiled_adapter)
        if found is None:
            known = ", ".join(sorted(self._adapters))
            text = f"there is no adapter {item.spec.compiled_adapter!r} in this Mixer; it has {known}."
            self._problems.error(item.key, "unknown-adapter", "spec.compiledAdapter", text)
        return found

    def read(self, item: ConfigObject, instances: Sequence[InstanceSpec]) -> HandlerConfig | None:
        """The handler for these instances, or None when its parameters are wrong; then the problems say how."""
        adapter = self._adapters.get(item.spec.compiled_adapter)
        params = self._params(item, adapter)
        if adapter is None or params is None:
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

    def judge(self, item: ConfigObject) -> None:
        """Say what is wrong with a handler that no rule uses, and that is not built. What its adapter says is a warning:
        the adapter may miss the instances that a rule will bring.
        """
        adapter = self._adapters.get(item.spec.compiled_adapter)
        params = self._params(item, adapter)
        if adapter is not None and params is not None:
            for fault in adapter.validate(params, ()):
                self._problems.warning(item.key, "bad-params", fault.field, fault.text)

    def _params(self, item: ConfigObject, adapter: Adapter | None) -> Any:
        """The parameters, or None when they do not fit."""
        if adapter is None:
            return None
        try:
            return read_params(item.spec.params, adapter.defaults())
        except ParamsError as error:
            self._problems.error(item.key, "bad-params", "spec.params", f"{error}.")
            return None


def _signature(name: str, adapter: Adapter, params: Any, instances: Sequence[InstanceSpec]) -> str:
    digest = hashlib.sha256()
    for part in (name, adapter.name):
        digest.update(part.encode() + b"\0")
    digest.update(params.SerializeToString(deterministic=True))
    for each in _shapes(instances):
        digest.update("\0".join(("", *each)).encode())
    return digest.hexdigest()


def same_rows(one: HandlerConfig, other: HandlerConfig) -> bool:
    """Whether what the two are given has the same shape: then either can take what is made for the other."""
    return one.adapter.name == other.adapter.name and _shapes(one.instances) == _shapes(other.instances)


def _shapes(instances: Sequence[InstanceSpec]) -> list[tuple[str, str, str]]:
    """Name, template and types of each."""
    return [(each.name, each.template.name, _types(each)) for each in instances]


def _types(spec: InstanceSpec) -> str:
    maps = sorted((key, sorted(found.items())) for key, found in spec.map_types.items())
    return str((sorted(spec.types.items()), maps))
