"""Sinks: where Cloud Logging exports entries to, created or updated when a handler begins (mixer.md 5.14)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from flotilla_mixer.adapters.stackdriver.link import Link
from flotilla_mixer.adapters.stackdriver.messages import Logging
from flotilla_mixer.adapters.stackdriver.outcomes import CallError, Code
from flotilla_mixer.adapters.stackdriver.place import Places
from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.sending import SendError
from flotilla_shared.runtime.backoff import Backoff

CREATE = "/google.logging.v2.ConfigServiceV2/CreateSink"
UPDATE = "/google.logging.v2.ConfigServiceV2/UpdateSink"
SINK = "sink"
FIRST_SECONDS, LONGEST_SECONDS = 0.5, 60.0


class SinkKeeper:
    """Tries until each sink is there, or Cloud Logging refuses it."""

    def __init__(self, link: Link, places: Places, messages: Logging, environment: Environment) -> None:
        self._link = link
        self._places = places
        self._messages = messages
        self._environment = environment

    async def keep(self, infos: Sequence[Any]) -> None:
        """Each a SinkInfo."""
        for info in infos:
            await self._until_kept(info)

    async def _until_kept(self, info: Any) -> None:
        backoff = Backoff(FIRST_SECONDS, LONGEST_SECONDS)
        while True:
            try:
                await self._put(info)
                return
            except SendError as error:
                said = f"the sink {info.id} cannot be created or updated"
                self._environment.complain(SINK, said, error=str(error))
                if not error.retry:
                    return
            await asyncio.sleep(backoff.next())

    async def _put(self, info: Any) -> None:
        """Create it; one that is there is updated, as far as the parameters want that."""
        project = (await self._places.find()).project
        parent = f"projects/{project}"
        sink = {"name": info.id, "destination": info.destination, "filter": info.filter}
        unique = info.UniqueWriterIdentity
        try:
            request = self._messages.create_sink(parent=parent, sink=sink, unique_writer_identity=unique)
            await self._link.call(CREATE, request.SerializeToString(), parent=parent)
        except CallError as error:
            if error.code is not Code.ALREADY_EXISTS:
                raise
            await self._update(f"{parent}/sinks/{info.id}", sink, info)

    async def _update(self, name: str, sink: dict[str, str], info: Any) -> None:
        wanted = {
            "destination": info.UpdateDestination,
            "filter": info.UpdateFilter,
            "include_children": info.UpdateIncludeChildren,
        }
        paths = [path for path, chosen in wanted.items() if chosen]
        if not paths:
            return
        request = self._messages.update_sink(
            sink_name=name, sink=sink, unique_writer_identity=info.UniqueWriterIdentity, update_mask={"paths": paths}
        )
        await self._link.call(UPDATE, request.SerializeToString(), sink_name=name)
