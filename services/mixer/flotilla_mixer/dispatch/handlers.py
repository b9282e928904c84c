"""The handlers that are built, and their change from one configuration to the next."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.configuration.handlers import HandlerConfig
from flotilla_mixer.kit.adapter import Handler, KnownWorkload
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


class HandlerTasks:
    """A handler's Environment: its work in the background, ended when it is closed."""

    def __init__(self, name: str, view: Callable[[], MeshView]) -> None:
        self._tasks = Tasks(name)
        self._view = view

    def workload_named(self, namespace: str, name: str) -> KnownWorkload | None:
        found = self._view().named(namespace, name)
        return found.facts if found is not None else None

    def workload_at(self, address: str) -> KnownWorkload | None:
        found = self._view().at(address)
        return found[0].facts if len(found) == 1 else None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.spawn(work, name)

    async def stop(self) -> None:
        await self._tasks.stop()


@dataclass(slots=True, eq=False)
class BuiltHandler:
    """A handler with its configuration. `users` are the tables that refer to it."""

    config: HandlerConfig
    handler: Handler
    tasks: HandlerTasks
    users: int = 0

    async def close(self) -> None:
        """Close it; what it raises is logged."""
        await self.tasks.stop()
        try:
            self.handler.close()
        except Exception:  # noqa: BLE001  # an adapter's fault is not its neighbour's
            _log.exception("closing a handler failed", handler=self.config.name)


@dataclass(slots=True)
class BuiltHandlers:
    """Those of the newest configuration, by key. `view` gives what is known of the mesh."""

    view: Callable[[], MeshView] = MeshView
    by_key: dict[ObjectKey, BuiltHandler] = field(default_factory=dict)

    def change(self, wanted: Mapping[ObjectKey, HandlerConfig], problems: ProblemLog) -> dict[ObjectKey, BuiltHandler]:
        """The handlers of a new configuration. One whose signature is the same stays; others are built before the
        old ones are closed, which is the owner's affair. One that cannot be built is left out: a problem says why.
        """
        found = {}
        for key, config in wanted.items():
            known = self.by_key.get(key)
            built = known if known and known.config.signature == config.signature else self._build(config, problems)
            if built is not None:
                found[key] = built
        self.by_key = found
        return found

    def _build(self, config: HandlerConfig, problems: ProblemLog) -> BuiltHandler | None:
        tasks = HandlerTasks(config.name, self.view)
        try:
            handler = config.adapter.build(config.params, config.instances, tasks)
        except ValueError as error:
            problems.error(config.key, "not-built", "spec.params", f"the handler cannot be built: {error}.")
        except Exception as error:  # noqa: BLE001  # an adapter's fault is its handler's alone
            _log.exception("building a handler failed", handler=config.name)
            said = f"the handler cannot be built: {type(error).__name__}: {error}."
            problems.error(config.key, "not-built", "spec", said)
        else:
            return BuiltHandler(config, handler, tasks)
        return None
