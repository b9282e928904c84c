"""The life of an adapter: Validate, Build, Handle, Close.

1. The catalogue loads an adapter once; it lives as long as Mixer.
2. For each handler object that a rule uses, `validate` says what is wrong with its parameters; nothing is built
   of what has errors.
3. `build` gives the handler. It must not block and does no I/O; work in the background belongs to `environment`.
4. The handler is called on the loop, with batches; it answers at once or later, and never blocks.
5. `close` is called when no call uses the handler any more, after what it had to send was sent or dropped. A new
   handler is built before the old one of its name is closed.

What adapters have in common they get from `Environment`: tasks, a queue that sends in batches and tries again, a thread
for clients that block, secrets that are read again, complaints that do not fill the log. All of it ends with the handler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from google.protobuf.message import Message

from flotilla_mixer.authorization.call import AskedCall
from flotilla_mixer.authorization.engine import Verdict
from flotilla_mixer.kit.delivery import Delivery, DeliverySettings
from flotilla_mixer.kit.merging import MergeSettings, Merging
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.kit.rounds import Rounds, Source
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.kit.sending import Item, Send
from flotilla_mixer.templates.template import InstanceSpec

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


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
    """One question to a handler. Answer it once, now or later; later answers are ignored.

    `failed` says how it was answered; `after` hears that, of an answer that comes later.
    """

    __slots__ = ("_done", "after", "failed", "instance", "row")

    def __init__(self, instance: InstanceSpec, row: Any, done: Callable[[Answer | str], None]) -> None:
        self.instance = instance
        self.row = row
        self._done: Callable[[Answer | str], None] | None = done
        self.failed = False
        self.after: Callable[[bool], None] | None = None

    @property
    def waits(self) -> bool:
        """It is not answered yet."""
        return self._done is not None

    def answer(self, result: Answer) -> None:
        self._take(result)

    def fail(self, text: str) -> None:
        """The handler cannot say: the whole call of the client fails, or goes without the quota."""
        self._take(text)

    def _take(self, outcome: Answer | str) -> None:
        done, self._done = self._done, None
        if done is not None:
            self.failed = isinstance(outcome, str)
            if self.after is not None:
                self.after(self.failed)
            done(outcome)


class CheckCall(HandlerCall[CheckResult]):
    """May it be done?"""

    __slots__ = ()


class QuotaCall(HandlerCall[QuotaResult]):
    """May so much be used? `best_effort`: less is welcome too. Calls of one `deduplication_id` are one call.

    `tells`: the caller is to hear what is left (`QuotaResult.room`), where the handler knows. Only then an amount of 0 is a
    question.
    """

    __slots__ = ("amount", "best_effort", "deduplication_id", "tells")

    def __init__(
        self,
        instance: InstanceSpec,
        row: Any,
        done: Callable[[QuotaResult | str], None],
        amount: int,
        best_effort: bool,
        deduplication_id: str,
        tells: bool = False,
    ) -> None:
        super().__init__(instance, row, done)
        self.amount = amount
        self.best_effort = best_effort
        self.deduplication_id = deduplication_id
        self.tells = tells


class GenerateCall(HandlerCall[Mapping[str, object]]):
    """What is known about it? The answer has outputs of the template by name; what is not known is left out."""

    __slots__ = ()


class KnownWorkload(Protocol):
    """A workload of the mesh. `owner` is a URI, `workload` the name that people know it by, `containers` those that
    declare a port, `host` the address of its node or empty.
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
    @property
    def host(self) -> str: ...


class Judge(Protocol):
    """Policies of one kind, all of the mesh's, as they are now. Immutable: a batch is judged by one."""

    def asked(self, call: AskedCall) -> frozenset[str]:
        """The names of the attributes that the verdict on a call rests on."""
        ...

    def decide(self, call: AskedCall) -> Verdict: ...


class Environment(Protocol):
    """What a handler may use of Mixer, from its building to its closing, on the loop. Later, what would begin something
    raises HandlerClosed (kit/environment.py).
    """

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        """The workload of this name, or None."""
        ...

    def workload_at(self, address: str) -> KnownWorkload | None:
        """The one workload at this address, or None if there is none or more than one."""
        ...

    def policies(self) -> Judge:
        """The mesh's AuthorizationPolicies."""
        ...

    def roles(self) -> Judge:
        """1.4's ServiceRoles and their bindings."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run in the background until it ends or the handler is closed."""
        ...

    def work(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run one piece of work, such as answering a call: a handler that is closed waits for it, for the grace time."""
        ...

    def answer(self, calls: Sequence[HandlerCall[Any]], work: Coroutine[Any, Any, None]) -> None:
        """Run the work that answers these calls. Those that it leaves without an answer, because it raised or the
        handler was closed, fail: no call is lost.
        """
        ...

    def deliver(
        self,
        send: Send[Item],
        settings: DeliverySettings = ...,
        size: Callable[[Item], int] | None = None,
        last: Callable[[], Iterable[Item]] | None = None,
    ) -> Delivery[Item]:
        """A bounded queue whose entries are given to `send` in batches, one batch at a time and in order. `send` raises
        SendError, TimeoutError or OSError for what was not taken (kit/sending.py); `size` gives the bytes of an entry.
        `last` is for handlers that gather: called when the handler is being closed, it gives what they still have.
        """
        ...

    def merge(
        self,
        drain: Callable[[], Sequence[Item]],
        send: Send[Item],
        number: Callable[[Sequence[Item]], int],
        settings: MergeSettings = ...,
    ) -> Merging[Item]:
        """Rounds of what the handler has merged of its entries, such as values of one series: `drain` empties the handler
        and gives the items, `number` says how many entries some of them stand for, `send` is as of `deliver`.
        """
        ...

    def rounds(self, source: Source[Item], send: Send[Item], settings: DeliverySettings = ...) -> Rounds[Item]:
        """Send what `source` has added up, each `batch_seconds` and at the end (kit/rounds.py); `send` as that of `deliver`."""
        ...

    async def in_thread(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Call what blocks, in the handler's own thread: one call at a time. It must have a time limit of its own."""
        ...

    def secret(self, path: Path | str) -> SecretFile:
        """A secret in a file: read it at each use, it follows the file. Raises SecretError, a ValueError, for a file
        outside of the folders that Mixer's settings keep for secrets.
        """
        ...

    def complain(self, cause: str, text: str, **details: object) -> None:
        """Count what is wrong with the backend, and log it unless this cause was logged within ten seconds."""
        ...

    def works_again(self, text: str) -> None:
        """Log this if there were complaints since it last worked."""
        ...

    def decided(self, outcome: str, rule: str = "") -> None:
        """Count a call that was judged: `allowed`, `denied` or another word of few, and the rule that decided. Both come
        from configuration, never from a call.
        """
        ...

    def dropped(self, cause: str, number: int = 1) -> None:
        """Count entries that the handler drops without offering them to a Delivery."""
        ...


class Handler(Protocol):
    """A configured adapter. It has the methods of the templates that its adapter supports."""

    def close(self) -> Awaitable[None] | None:
        """Give up what it holds; what it returns is awaited, for the grace time. Deliveries have been closed before, and
        tasks ended. Safe twice; a call that comes later is answered or ignored, never an error of another kind.
        """
        ...


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

    @property
    def name(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def templates(self) -> frozenset[str]: ...

    def defaults(self) -> Message:
        """The parameters that a handler has which sets none; a new message each time."""
        ...

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]: ...

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> Handler:
        """Raises ValueError with one sentence when it cannot be."""
        ...
