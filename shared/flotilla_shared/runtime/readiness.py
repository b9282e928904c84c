"""Whether a service is ready, and if not, why."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(eq=False)
class Condition:
    """One thing that must hold. It begins unmet."""

    name: str
    _owner: Readiness
    reason: str = "not yet"
    holds: bool = False

    def met(self) -> None:
        self.holds, self.reason = True, ""
        self._owner._changed()

    def unmet(self, reason: str) -> None:
        """`reason` is a few words for people: what is waited for."""
        self.holds, self.reason = False, reason
        self._owner._changed()


@dataclass(eq=False)
class Readiness:
    """All conditions of a service; ready when every one holds. With none it is ready."""

    conditions: dict[str, Condition] = field(default_factory=dict)
    _ready: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._changed()

    def condition(self, name: str) -> Condition:
        """The condition of this name, made unmet at the first call."""
        if name not in self.conditions:
            self.conditions[name] = Condition(name, self)
            self._changed()
        return self.conditions[name]

    @property
    def ready(self) -> bool:
        return all(condition.holds for condition in self.conditions.values())

    def unmet_reasons(self) -> dict[str, str]:
        return {name: each.reason for name, each in self.conditions.items() if not each.holds}

    async def wait(self) -> None:
        """Return when ready."""
        await self._ready.wait()

    def _changed(self) -> None:
        if self.ready:
            self._ready.set()
        else:
            self._ready.clear()
