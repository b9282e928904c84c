"""The life of an adapter: Validate, Build, Handle, Close.

1. The catalogue loads an adapter once; it lives as long as Mixer.
2. For each handler object that a rule uses, `validate` says what is wrong with its parameters; nothing is built
   of what has errors.
3. `build` gives the handler. It must not block and does no I/O; work in the background belongs to `environment`.
4. The handler is called on the loop, with batches; it answers at once or later, and never blocks.
5. `close` is called once, when no call uses the handler any more. A new handler is built before the old one of
   its name is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.templates.template import InstanceSpec

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a handler: the field under `spec`, and one sentence."""

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportBatch:
    """Rows of one instance, in order: each is the tuple of values that the instance's template describes."""

    instance: InstanceSpec
    rows: Sequence[Any]


class HandlerCall(Generic[Answer]):
    """One question to a handler. Answer it once, now or later; later answers are ignored."""

    __slots__ = ("_done", "instance", "row")

    def __init__(self, instance: InstanceSpec, row: Any, done: Callable[[Answer | str], None]) -> None:
        self.instance = instance
        self.row = row
        self._done: Callable[[Answer | str], None] | None = done

    def answer(self, result: Answer) -> None:
        self._take(result)

    def fail(self, text: str) -> None:
        """The handler cannot say: the whole call of the client fails, or goes without the quota."""
        self._take(text)

    def _take(self, outcome: Answer | str) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


class CheckCall(HandlerCall[CheckResult]):
    """May it be done?"""

    __slots__ = ()


class QuotaCall(HandlerCall[QuotaResult]):
    """May so much be used? `best_effort`: less is welcome too. Calls of one `deduplication_id` are one call."""

    __slots__ = ("amount", "best_effort", "deduplication_id")

    def __init__(
        self,
        instance: InstanceSpec,
        row: Any,
        done: Callable[[QuotaResult | str], None],
        amount: int,
        best_effort: bool,
        deduplication_id: str,
    ) -> None:
        super().__init__(instance, row, done)
        self.amount = amount
        self.best_effort = best_effort
        self.deduplication_id = deduplication_id


class GenerateCall(HandlerCall[Mapping[str, object]]):
    """What is known about it? The answer has outputs of the template by name; what is not known is left out."""

    __slots__ = ()


class KnownWorkload(Protocol):
    """A workload of the mesh. `owner` is a URI, `workload` the name that people know it by, `containers` those that
    declare a port.
    """

    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def addresses(self) -> tuple[str, ...]: ...
    @property
    def account(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def owner(self) -> str: ...
    @property
    def workload(self) -> str: ...
    @property
    def containers(self) -> Mapping[int, str]: ...


class Environment(Protocol):
    """What a handler may use of Mixer."""

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        """The workload of this name, or None."""
        ...

    def workload_at(self, address: str) -> KnownWorkload | None:
        """The one workload at this address, or None if there is none or more than one."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run in the background until it ends or the handler is closed."""
        ...


class Handler(Protocol):
    """A configured adapter. It has the methods of the templates that its adapter supports."""

    def close(self) -> None: ...


class CheckHandler(Handler, Protocol):
    def check(self, calls: Sequence[CheckCall]) -> None:
        """Answer each call, now or later."""
        ...


class QuotaHandler(Handler, Protocol):
    def quota(self, calls: Sequence[QuotaCall]) -> None:
        """Answer each call, now or later."""
        ...


class GenerateHandler(Handler, Protocol):
    def generate(self, calls: Sequence[GenerateCall]) -> None:
        """Answer each call, now or later."""
        ...


class ReportHandler(Handler, Protocol):
    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Take what one message reported; returns at once. Raises ValueError with what could not be taken, when the
        rest has been.
        """
        ...


class Adapter(Protocol):
    """One kind of backend. `folder` holds its metadata.yaml and README.md."""

    name: ClassVar[str]
    folder: ClassVar[Path]
    templates: ClassVar[frozenset[str]]

    def defaults(self) -> Message:
        """The parameters that a handler has which sets none; a new message each time."""
        ...

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]: ...

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> Handler:
        """Raises ValueError with one sentence when it cannot be."""
        ...
