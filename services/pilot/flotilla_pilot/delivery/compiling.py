"""The one thread on which snapshots are built and proxies compiled."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from flotilla_pilot.compile.containment import OnContained, Parts, Withheld, build_contained
from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot, Objects
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)
T = TypeVar("T")


class ProxyCompiler(Protocol):
    """What compiles; called from one thread."""

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy: ...


class CompilingThread:
    """Component. Work is done in the order in which it was asked for, away from the event loop.

    The loop goes on answering acknowledgements and keep-alives while a large mesh compiles; the compiler and
    its caches are touched by one thread only.
    """

    def __init__(self, compiler: ProxyCompiler, on_contained: OnContained = lambda _: None) -> None:
        self._compiler = compiler
        self._on_contained = on_contained
        self._thread = ThreadPoolExecutor(1, "pilot-compile")

    async def start(self) -> None:
        """Nothing to do: the thread starts with the first work."""

    async def stop(self) -> None:
        """Wait for the work under way; what waits is dropped."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

    async def build(
        self, objects: Objects, settings: MeshSettings, native: Callable[[Objects, MeshSettings], Parts] = Parts
    ) -> MeshSnapshot:
        """The snapshot of these objects and of what `native` adds to them, which is called on the thread.

        Without an object that cannot be built from, for which `on_contained` is called there.
        """
        return await self._do(lambda: build_contained(native(objects, settings), self._on_contained))

    async def compile(self, snapshot: MeshSnapshot, proxies: Sequence[Proxy]) -> list[CompiledProxy | Withheld]:
        """What each proxy is to hold; for one whose compilation failed, why, which the log explains."""
        return await self._do(lambda: [self._compile(snapshot, proxy) for proxy in proxies])

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy | Withheld:
        try:
            return self._compiler.compile(snapshot, proxy)
        except Withheld as withheld:
            _log.exception("compilation failed", proxy=proxy.node_id, snapshot=snapshot.version, objects=str(withheld))
            return withheld
        except Exception:  # noqa: BLE001  # one proxy's failure must not stop the others
            _log.exception("compilation failed", proxy=proxy.node_id, snapshot=snapshot.version)
            return Withheld({})
