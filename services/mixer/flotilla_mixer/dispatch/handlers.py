"""The handlers that are built, and their change from one configuration to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.configuration.handlers import HandlerConfig, same_rows
from flotilla_mixer.dispatch.counted import CountedHandler
from flotilla_mixer.kit.adapter import Judge, KnownWorkload
from flotilla_mixer.kit.counters import HandlerCounter, HandlerCounters
from flotilla_mixer.kit.environment import HandlerEnvironment
from flotilla_mixer.kit.secrets import ANY_FOLDER, SecretFolders
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.runtime.logs import get_logger

GRACE_SECONDS = 5.0
SHORTEST_CLOSE_SECONDS = 0.1  # of a handler that closes a connection, whatever the grace time

_log = get_logger(__name__)


class HandlerTasks(HandlerEnvironment):
    """A handler's Environment: the kit's, with the workloads of the mesh."""

    def __init__(self, counter: HandlerCounter, view: Callable[[], MeshView], secrets: SecretFolders) -> None:
        super().__init__(counter, secrets)
        self._view = view

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        found = self._view().named(namespace, name)
        return found.facts if found is not None else None

    def workload_at(self, address: str) -> KnownWorkload | None:
        found = self._view().at(address)
        return found[0].facts if len(found) == 1 else None

    def policies(self) -> Judge:
        return self._view().policies

    def roles(self) -> Judge:
        return self._view().roles


@dataclass(slots=True, eq=False)
class BuiltHandler:
    """A handler with its configuration. `users` are the tables that refer to it."""

    config: HandlerConfig
    handler: CountedHandler
    tasks: HandlerTasks
    counters: HandlerCounters
    users: int = 0

    async def close(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Close it: what it has to send is sent within the grace time. What it raises is logged."""
        self.counters.closed.inc()
        await self.tasks.close(grace_seconds)
        try:
            ending = self.handler.close()
            if ending is not None:
                async with asyncio.timeout(max(grace_seconds, SHORTEST_CLOSE_SECONDS)):
                    await ending
        except Exception:  # noqa: BLE001  # an adapter's fault is not its neighbour's
            self.counters.close_failures.inc()
            _log.exception("closing a handler failed", handler=self.config.name)


async def close_all(handlers: Iterable[BuiltHandler], grace_seconds: float = GRACE_SECONDS) -> None:
    """Close them side by side: one that is slow does not take the others' time."""
    await asyncio.gather(*(built.close(grace_seconds) for built in handlers))


@dataclass(slots=True)
class BuiltHandlers:
    """Those of the newest configuration, by key. `view` gives what is known of the mesh."""

    counters: HandlerCounters
    view: Callable[[], MeshView] = MeshView
    secrets: SecretFolders = ANY_FOLDER
    by_key: dict[ObjectKey, BuiltHandler] = field(default_factory=dict)

    def change(self, wanted: Mapping[ObjectKey, HandlerConfig], problems: ProblemLog) -> dict[ObjectKey, BuiltHandler]:
        """The handlers of a new configuration. One whose signature is the same stays; others are built before the
        old ones are closed, which is the owner's affair. Of one that cannot be built the one before goes on, if it can
        take what instances make now; else it is left out. A problem says why.
        """
        found = {}
        for key, config in wanted.items():
            known = self.by_key.get(key)
            if known and known.config.signature == config.signature:
                built: BuiltHandler | None = known
                self.counters.reused.inc()
            else:
                built = self._build(config, problems) or self._before(known, config, problems)
            if built is not None:
                found[key] = built
        self.by_key = found
        return found

    def _before(self, known: BuiltHandler | None, config: HandlerConfig, problems: ProblemLog) -> BuiltHandler | None:
        """The handler that is there, in the place of one that cannot be built."""
        if known is None or not same_rows(known.config, config):
            return None
        text = "while it cannot be built, the handler of the version before goes on."
        problems.warning(config.key, "version-kept", "", text)
        return known

    def _build(self, config: HandlerConfig, problems: ProblemLog) -> BuiltHandler | None:
        tasks = HandlerTasks(self.counters.of(config.name), self.view, self.secrets)
        try:
            handler = config.adapter.build(config.params, config.instances, tasks)
        except ValueError as error:
            problems.error(config.key, "not-built", "spec.params", f"the handler cannot be built: {error}.")
        except Exception as error:  # noqa: BLE001  # an adapter's fault is its handler's alone
            _log.exception("building a handler failed", handler=config.name)
            said = f"the handler cannot be built: {type(error).__name__}: {error}."
            problems.error(config.key, "not-built", "spec", said)
        else:
            self.counters.built.inc()
            counted = CountedHandler(handler, config, self.counters.dispatches)
            return BuiltHandler(config, counted, tasks, self.counters)
        self.counters.build_failures.inc()
        tasks.abandon()
        return None
