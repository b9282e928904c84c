"""The state of every object, for Galley and for people."""

import asyncio
from collections.abc import Callable, Mapping

from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.ingress.configuration import is_derived
from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.streams.status import ObjectState

INTERVAL_SECONDS = 0.2

States = Mapping[ObjectKey, ObjectState]


def object_states(delivery: Delivery) -> dict[ObjectKey, ObjectState]:
    """Every object of the newest publication: its problems, and how many proxies have taken it.

    An object is accepted when no problem of it is an error: what Pilot only warns of takes effect. What stands for an
    Ingress is left out: Galley has no such object.
    """
    if delivery.publication is None:
        return {}
    delivery.record_outcomes()
    snapshot = delivery.publication.snapshot
    found = problems_on_proxies(delivery)
    states = {}
    for key, item in snapshot.objects.items():
        if is_derived(key):
            continue
        problems = dict.fromkeys((*snapshot.problems.get(key, ()), *found.get(key, ())))
        counts = delivery.ledger.counts(key)
        states[key] = ObjectState(
            version=item.version,
            accepted=not any(each.severity == "error" for each in problems),
            problems=tuple(problems),
            proxies_concerned=counts.concerned,
            proxies_acknowledged=counts.acknowledged,
            proxies_rejected=counts.rejected,
        )
    return states


def problems_on_proxies(delivery: Delivery) -> dict[ObjectKey, list[Problem]]:
    """What only shows for some proxy, and is there with the newest publication."""
    found = {key: list(problems) for key, problems in delivery.withheld.items()}
    for connection in delivery.connections:
        compiled = connection.session.compiled
        if compiled is not None and connection.publication is delivery.publication:
            for key, problems in compiled.problems.items():
                found.setdefault(key, []).extend(problems)
    return found


class StatusReporter:
    """Component. Hands the states on whenever they may have changed, a few times a second at most."""

    def __init__(
        self, delivery: Delivery, update: Callable[[States], None], interval_seconds: float = INTERVAL_SECONDS
    ) -> None:
        self._delivery = delivery
        self._update = update
        self._interval_seconds = interval_seconds
        self._tasks = Tasks("status-reporter")

    async def start(self) -> None:
        self._tasks.spawn(self._run(), "run")

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _run(self) -> None:
        while True:
            await self._delivery.changed.wait()
            # First the wait: what a proxy is about to answer need not be told as missing.
            await asyncio.sleep(self._interval_seconds)
            self._delivery.changed.clear()
            if self._delivery.publication is not None:
                self._update(object_states(self._delivery))
