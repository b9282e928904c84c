"""What an adapter says of itself for the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from flotilla_mixer.configuration.params import read_params
from flotilla_mixer.kit.adapter import Adapter, CheckCall, GenerateCall, HandlerCall, QuotaCall, ReportBatch
from flotilla_mixer.templates.template import InstanceSpec, Variety
from flotilla_mixer.testing.handlers import Background

Row = tuple[Any, ...]
METHODS = {
    Variety.CHECK: "check",
    Variety.REPORT: "report",
    Variety.QUOTA: "quota",
    Variety.ATTRIBUTE_GENERATOR: "generate",
}


class Backend(Protocol):
    """A backend that the tests start: the real one, or one that takes what the real one takes."""

    async def start(self) -> Mapping[str, Any]:
        """Begin, and give the parameters by which a handler finds it. After `stop` it begins again at the same place."""
        ...

    async def stop(self) -> None: ...

    def hold(self, held: bool) -> None:
        """While it is held it takes connections and answers nobody."""
        ...

    def received(self) -> int:
        """How many entries, or questions, it has taken in its whole life."""
        ...


@dataclass(frozen=True)
class AdapterCase:
    """`params` work, as a user writes them, with the instances of `rows`, which have at least one row each. Each of `wrong`
    is parameters that replace some of `params`, and the field that is told. `misfits` are instances that parameters do
    not fit, and the field that is told of them. `secrets` are the fields that name files with secrets, and for each
    parameters in which it names one. With a `backend`, `params` hold without what it gives.
    """

    adapter: Callable[[], Adapter]
    rows: Mapping[InstanceSpec, Sequence[Row]]
    params: Mapping[str, Any] = field(default_factory=dict)
    wrong: Sequence[tuple[Mapping[str, Any], str]] = ()
    misfits: Sequence[tuple[InstanceSpec, str]] = ()
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    backend: Callable[[], Backend] | None = None

    @cached_property
    def name(self) -> str:
        return self.adapter().name

    def read(self, adapter: Adapter, changes: Mapping[str, Any] | None = None) -> Any:
        """The parameters as a configuration would give them. Raises ParamsError."""
        return read_params(struct({**self.params, **(changes or {})}), adapter.defaults())

    @property
    def instances(self) -> tuple[InstanceSpec, ...]:
        return tuple(self.rows)


def struct(content: Mapping[str, Any]) -> Struct:
    return json_format.ParseDict(dict(content), Struct())


class Played:
    """A handler of a case, and what its calls were answered."""

    def __init__(self, case: AdapterCase, changes: Mapping[str, Any] | None = None) -> None:
        self.background = Background()
        self.adapter = case.adapter()
        self.answers: list[Any] = []
        self.handler: Any = self.adapter.build(case.read(self.adapter, changes), case.instances, self.background)

    def call(self, spec: InstanceSpec, rows: Sequence[Row]) -> int:
        """Give it rows of one instance; how many answers are to come. ValueError of a report is passed on."""
        if spec.template.variety is Variety.REPORT:
            self.handler.report([ReportBatch(spec, rows)])
            return 0
        calls = [self._call(spec, row) for row in rows]
        getattr(self.handler, METHODS[spec.template.variety])(calls)
        return len(calls)

    def _call(self, spec: InstanceSpec, row: Row) -> HandlerCall[Any]:
        match spec.template.variety:
            case Variety.QUOTA:
                return QuotaCall(spec, row, self.answers.append, 1, False, f"call{len(self.answers)}")
            case Variety.ATTRIBUTE_GENERATOR:
                return GenerateCall(spec, row, self.answers.append)
            case _:
                return CheckCall(spec, row, self.answers.append)

    async def close(self, grace_seconds: float = 5.0) -> None:
        """As Mixer closes a handler."""
        await self.background.close(grace_seconds)
        ending = self.handler.close()
        if ending is not None:
            await ending
