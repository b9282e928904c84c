"""Where a mesh is: project, location and cluster, from the parameters, credentials, or Google's metadata server."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Any

import httpx

from flotilla_mixer.adapters.stackdriver.access import Access
from flotilla_mixer.kit.sending import SendError

METADATA_HOST, DEFAULT_METADATA_HOST = "GCE_METADATA_HOST", "metadata.google.internal"
PROJECT_VARIABLE = "GOOGLE_CLOUD_PROJECT"
FLAVOR = ("Metadata-Flavor", "Google")
METADATA_SECONDS, AGAIN_SECONDS, MOST_TRIES = 2.0, 30.0, 10
NO_PROJECT = "no project is known: write projectId, or let Mixer run where Google's metadata server is"


@dataclass(frozen=True, slots=True)
class Place:
    """Empty where nothing is known. Of a project there is always a name."""

    project: str
    location: str = ""
    cluster: str = ""

    def filled(self, labels: dict[str, str]) -> dict[str, str]:
        """Labels of a resource, those of the place filled in where they are there and empty (mixer.md 5.14)."""
        known = {
            "project_id": self.project,
            "location": self.location,
            "zone": self.location,
            "cluster_name": self.cluster,
        }
        return {name: value or known.get(name, "") for name, value in labels.items()}


class Places:
    """Finds the place at the first use. A metadata server that is not there is asked again for some minutes, as that of a
    new node may come later than Mixer; for a project's sake as long as there is none.
    """

    def __init__(self, params: Any, access: Access) -> None:
        self._given = Place(params.project_id, params.location, params.cluster_name)
        self._access = access
        self._found: Place | None = None
        self._tries = 0 if all((params.project_id, params.location, params.cluster_name)) else MOST_TRIES
        self._again = 0.0  # when the metadata server is asked again
        self._looking = asyncio.Lock()

    async def find(self) -> Place:
        """Raises SendError while there is no project."""
        async with self._looking:
            asking = self._tries > 0 and asyncio.get_running_loop().time() >= self._again
            if self._found is None or asking:
                await self._look(asking=asking)
            assert self._found is not None
            return self._found

    async def _look(self, *, asking: bool) -> None:
        given, asked = self._given, await self._ask() if asking else Place("")
        project = given.project or asked.project or (self._found.project if self._found else await self._project())
        if not project:
            self._tries = max(1, self._tries)
            raise SendError(NO_PROJECT, cause="no_project", retry=True)
        found = Place(project, given.location or asked.location, given.cluster or asked.cluster)
        if found != self._found:
            self._found = found

    async def _ask(self) -> Place:
        """One that answers has told all that it knows."""
        found = await _from_metadata()
        self._tries = 0 if found.project else self._tries - 1
        self._again = asyncio.get_running_loop().time() + AGAIN_SECONDS
        return found

    async def _project(self) -> str:
        return os.environ.get(PROJECT_VARIABLE, "") or await self._access.project()


async def _from_metadata() -> Place:
    """What the server tells; nothing where there is none."""
    host = os.environ.get(METADATA_HOST) or DEFAULT_METADATA_HOST
    base = f"http://{host}/computeMetadata/v1/"
    try:
        async with httpx.AsyncClient(base_url=base, timeout=METADATA_SECONDS, trust_env=False) as client:
            project = await _ask(client, "project/project-id")
            location = await _ask(client, "instance/attributes/cluster-location") or await _ask(client, "instance/zone")
            cluster = await _ask(client, "instance/attributes/cluster-name")
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return Place("")
    return Place(project, location.rpartition("/")[2], cluster)


async def _ask(client: httpx.AsyncClient, path: str) -> str:
    answer = await client.get(path, headers=[FLAVOR])
    told = answer.is_success and answer.headers.get(FLAVOR[0]) == FLAVOR[1]
    return answer.text.strip() if told else ""
