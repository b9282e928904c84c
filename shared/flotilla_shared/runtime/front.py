"""The Rust front of a gRPC port, where the distribution `flotilla-mesh-native` is installed (ADR 0099).

It ends TLS, HTTP/2 and gRPC framing on a thread of its own. Calls of batch functions wait there until the loop takes them,
as many at a time as there are; streams go on to grpc.aio on a Unix socket. Nothing else of Flotilla imports `flotilla_native`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import grpc

from flotilla_shared.runtime import peers
from flotilla_shared.runtime.batches import BatchFunction, Call
from flotilla_shared.runtime.http import BindError
from flotilla_shared.runtime.identity import Certificate, IdentitySource
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.tallies import MethodTally, TallyBounds

try:
    import flotilla_native
except ImportError:  # most machines have no compiler for it
    flotilla_native = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from flotilla_native import Front

FrontChoice = Literal["auto", "grpc", "native"]
FRONT_HELP = (
    "who serves gRPC: native (Rust, flotilla-mesh-native), grpc (grpcio), or auto: native where it is installed"
)
MISSING = "front is native, and flotilla-mesh-native is not installed: install it (make native), or choose auto or grpc"
# Taken in one turn of the loop: the first of them are answered before the others are looked at.
MOST_TAKEN = 64

_log = get_logger(__name__)
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class FrontMissing(ValueError):
    """The native front was asked for and is not there."""


def use_front(choice: FrontChoice) -> bool:
    """Whether the native front serves. Raises FrontMissing."""
    if choice == "native" and flotilla_native is None:
        raise FrontMissing(MISSING)
    return choice != "grpc" and flotilla_native is not None


@dataclass(frozen=True, slots=True)
class Refusals:
    """Which calls are refused before a batch function sees them, and what is to be known of them.

    From `most_waiting` calls of a method on the next one is refused; so is what has waited for longer than the seconds that
    `longest_wait` gives when others are taken (None: any time). `tell` is given the method, how many were refused since it
    was told last, and how often the field that `counted` names for the method stands in their messages.
    """

    most_waiting: int = 20_000
    longest_wait: Callable[[], float | None] = lambda: None
    tell: Callable[[str, int, int], None] = lambda method, calls, occurrences: None
    counted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """The longest message, what is refused, and what is counted."""

    most_bytes: int
    refusals: Refusals
    bounds: TallyBounds


class FrontServer:
    """Component. The batch functions on `address:port`; `target` is the Unix socket on which grpc.aio serves the rest.

    `optional`: with an identity, callers may come without a certificate. Without an identity the port is plaintext.
    """

    def __init__(
        self,
        address: str,
        port: int,
        functions: Mapping[str, BatchFunction],
        settings: FrontSettings,
        *,
        identity: IdentitySource | None = None,
        optional: bool = False,
        target: Path | None = None,
    ) -> None:
        self._address = address
        self._port = port
        self._functions = tuple(functions.items())
        self._settings = settings
        self._identity = identity
        self._optional = optional
        self._target = target
        self._front: Front | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def port(self) -> int:
        """The port that is listened on, after start."""
        assert self._front is not None
        return self._front.port

    async def start(self) -> None:
        """Listen; waits for the first certificate. Raises BindError."""
        secured = None
        if self._identity is not None:
            secured = (*_pem(await self._identity.wait()), self._optional)
        front = self._front = self._made(secured)
        if self._identity is not None:
            self._unsubscribe = self._identity.subscribe(lambda found: front.renew(*_pem(found)))
        if self._target is not None:
            peers.ask_in(self._target.parent, front.peer_at)
        asyncio.get_running_loop().add_reader(front.fileno(), self._pump)
        front.start()

    def _made(self, secured: tuple[bytes, bytes, bytes, bool] | None) -> Front:
        settings, refusals = self._settings, self._settings.refusals
        try:
            return flotilla_native.Front(
                self._address,
                self._port,
                methods=[(name, refusals.counted.get(name), refusals.most_waiting) for name, _ in self._functions],
                most_bytes=settings.most_bytes,
                milliseconds=list(settings.bounds.milliseconds),
                sizes=list(settings.bounds.sizes),
                make_peer=peers.peer_of_address,
                identity=secured,
                target=None if self._target is None else str(self._target),
            )
        except OSError as error:
            raise BindError(self._address, self._port, error.strerror or str(error)) from error

    def _pump(self) -> None:
        """Hand over what waits, some calls of each method; more of it in the next turn."""
        front = self._front
        if front is None:
            return
        front.begin()
        longest = self._settings.refusals.longest_wait()
        for place, (method, function) in enumerate(self._functions):
            calls = front.take(place, MOST_TAKEN, longest)
            if calls:
                _hand_over(method, function, cast("list[Call]", calls))
        self._tell_refused(front)
        if front.flush():
            asyncio.get_running_loop().call_soon(self._pump)

    def _tell_refused(self, front: Front) -> None:
        for (method, _), (calls, entries) in zip(self._functions, front.refused(), strict=True):
            if calls:
                self._settings.refusals.tell(method, calls, entries)

    def tallies(self) -> Sequence[MethodTally]:
        """Of each method, after start."""
        if self._front is None:
            return ()
        names = [name for name, _ in self._functions]
        return [_tally(name, *found) for name, found in zip(names, self._front.tallies(), strict=True)]

    async def stop(self, grace_seconds: float) -> None:
        """Refuse new connections, let open calls end for the grace, then cut them off. Safe twice."""
        front = self._front
        if front is None:
            return
        self._unsubscribe()
        self._unsubscribe = lambda: None
        front.stop(grace_seconds)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, front.join)
        self._pump()  # those whose callers were cut off
        self._front = None
        loop.remove_reader(front.fileno())
        if self._target is not None:
            peers.ask_no_more(self._target.parent)


def _pem(certificate: Certificate) -> tuple[bytes, bytes, bytes]:
    return certificate.key_pem, certificate.chain_pem, certificate.root_pem


def _hand_over(method: str, function: BatchFunction, calls: list[Call]) -> None:
    try:
        function(calls)
    except Exception:  # noqa: BLE001  # the calls must be answered whatever the function does
        _log.exception("batch function failed", method=method)
        for call in calls:
            call.fail(grpc.StatusCode.INTERNAL, "internal error")


def _tally(method: str, codes: Sequence[int], *histograms: Any) -> MethodTally:
    completed = {_CODES[number]: count for number, count in enumerate(codes) if count}
    return MethodTally(method, completed, *histograms)
