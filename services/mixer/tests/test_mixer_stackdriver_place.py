"""Where the stackdriver adapter finds the project, location and cluster."""

from __future__ import annotations

import pytest
from fastapi import FastAPI, Request, Response

from flotilla_mixer.adapters.stackdriver import place
from flotilla_mixer.adapters.stackdriver.access import Access
from flotilla_mixer.adapters.stackdriver.place import METADATA_HOST, PROJECT_VARIABLE, Place, Places
from flotilla_mixer.kit.sending import SendError
from flotilla_mixer.testing.stackdriver_cases import PLACE, params_of
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine the test runs on: it has no project, and no metadata server."""
    monkeypatch.delenv(PROJECT_VARIABLE, raising=False)
    monkeypatch.setenv(METADATA_HOST, f"127.0.0.1:{free_port()}")


class Metadata:
    """Google's metadata server, with these values by path."""

    def __init__(self, **values: str) -> None:
        self.values = values
        self.asked: list[str] = []
        self.http = HttpServer(self._app(), "127.0.0.1", 0)

    def _app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/computeMetadata/v1/{path:path}")
        async def _value(path: str, request: Request) -> Response:
            self.asked.append(path)
            value = self.values.get(path.rpartition("/")[2].replace("-", "_"))
            flavored = request.headers.get("metadata-flavor") == "Google"
            return Response(value, 200 if flavored and value else 404, {"Metadata-Flavor": "Google"})

        return app


FULL = {"project_id": "mesh-3", "cluster_location": "us-east1", "cluster_name": "west"}
PLACES: list[tuple[dict[str, str], dict[str, str], Place]] = [
    (FULL, {}, Place("mesh-3", "us-east1", "west")),
    (FULL, {"projectId": "mesh-1"}, Place("mesh-1", "us-east1", "west")),
    ({"project_id": "mesh-3", "zone": "projects/12/zones/us-east1-b"}, {}, Place("mesh-3", "us-east1-b", "")),
    (FULL, PLACE, Place("mesh-1", "europe-west1-b", "east")),
]


@pytest.mark.parametrize(("values", "given", "wanted"), PLACES)
async def test_the_place_is_asked_of_the_metadata_server(
    values: dict[str, str], given: dict[str, str], wanted: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = Metadata(**values)
    await metadata.http.start()
    monkeypatch.setenv(METADATA_HOST, f"127.0.0.1:{metadata.http.ports[0]}")
    nothing = {"projectId": None, "location": None, "clusterName": None}
    places = Places(params_of(None, **(nothing | given)), Access())
    assert await places.find() == wanted
    assert await places.find() is await places.find()
    await metadata.http.stop()
    assert len(metadata.asked) == (0 if given == PLACE else 3 + ("zone" in values))


async def test_without_a_metadata_server_what_is_known_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await Places(params_of(None, location=None, clusterName=None), Access()).find() == Place("mesh-1")
    monkeypatch.setenv(PROJECT_VARIABLE, "mesh-5")
    assert await Places(params_of(None, projectId=None), Access()).find() == Place("mesh-5", "europe-west1-b", "east")


async def test_a_metadata_server_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "AGAIN_SECONDS", 0.0)
    places = Places(params_of(None, location=None), Access())
    first = await places.find()
    assert first == Place("mesh-1", "", "east")
    assert await places.find() is first, "what stays the same is the same"
    metadata = Metadata(**FULL)
    await metadata.http.start()
    monkeypatch.setenv(METADATA_HOST, f"127.0.0.1:{metadata.http.ports[0]}")
    assert await places.find() == Place("mesh-1", "us-east1", "east")
    await places.find()
    await metadata.http.stop()
    assert len(metadata.asked) == 3, "it is asked no more"


async def test_a_metadata_server_that_never_comes_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(place, "MOST_TRIES", 3)
    asked = []

    async def nothing() -> Place:
        asked.append(1)
        return Place("")

    monkeypatch.setattr(place, "_from_metadata", nothing)
    places = Places(params_of(None, location=None), Access())
    for _ in range(5):
        await places.find()
    assert len(asked) == 3


async def test_without_a_project_entries_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(params_of(None, projectId=None), Access())
    for _ in range(2):
        with pytest.raises(SendError, match="no project is known") as told:
            await places.find()
        assert told.value.retry
    monkeypatch.setenv(PROJECT_VARIABLE, "mesh-5")
    assert (await places.find()).project == "mesh-5"


FILLED = [
    ({"project_id": "", "location": "", "cluster_name": ""}, {"project_id": "p", "location": "l", "cluster_name": "c"}),
    ({"zone": "", "instance_id": ""}, {"zone": "l", "instance_id": ""}),
    ({"project_id": "other", "location": "here"}, {"project_id": "other", "location": "here"}),
    ({}, {}),
]


@pytest.mark.parametrize(("labels", "wanted"), FILLED)
def test_labels_that_are_there_and_empty_are_filled(labels: dict[str, str], wanted: dict[str, str]) -> None:
    assert Place("p", "l", "c").filled(labels) == wanted
