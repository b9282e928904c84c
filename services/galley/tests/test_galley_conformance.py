"""Istio 1.4's conformance cases: YAML goes into a directory, and the collections are looked at as they go over MCP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format, symbol_database

from flotilla_galley.config import GalleySettings
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.platforms.machine import Machine
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_shared.model.kinds import KINDS
from flotilla_shared.model.legacy_kinds import LEGACY_PREFIX
from flotilla_shared.model.objects import Delta
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.streams.codec import to_response
from flotilla_shared.runtime.trace import HopRecorder

Json = dict[str, Any]
NAMESPACE = "conf-1"
VERSIONS = ("networking.alpha.istio.io/serviceVersion", "networking.alpha.istio.io/endpointsVersion")
# Metadata of which each run and each implementation has its own.
LEFT_OUT = ("version", "createTime")


class Published:
    """Galley on one machine with everything that it can make of Kubernetes' objects, and what it would send."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "config"
        self.folder.mkdir()
        self.mesh = place / "mesh.yaml"
        settings = GalleySettings(
            config_dir=self.folder, mesh_config_file=self.mesh, convert_ingresses=True, synthetic_service_entries=True
        )
        sources = Machine(settings).sources
        self.distributor = Distributor(lambda: None)  # type: ignore[arg-type,return-value]
        self.publisher = Publisher(
            objects=sources.objects,
            mesh=sources.mesh,
            further=sources.further,
            last_good=LastGood(place / "last-good"),
            distributor=self.distributor,
            trace=HopRecorder("galley"),
            synced=Readiness().condition("configuration read"),
            quiet_seconds=0,
            longest_seconds=1,
        )

    def collection(self, name: str) -> list[Json]:
        """The resources of an MCP response as the cases write them."""
        assert self.distributor.snapshot is not None
        held = self.distributor.snapshot.collections[name]
        response = to_response(Delta(name, held.version, tuple(held.items.values())), "1")
        return [_resource(each) for each in response.resources]

    @property
    def told(self) -> list[str]:
        entries = [entry for ledger in self.publisher.ledgers for entry in ledger.entries.values()]
        own = [problem.text for entry in entries for problem in entry.problems]
        return [*own, *(problem.text for ledger in self.publisher.ledgers for problem in ledger.problems)]


def _resource(resource: Any) -> Json:
    metadata = json_format.MessageToDict(resource.metadata)
    body = symbol_database.Default().GetSymbol(resource.body.TypeName())()
    resource.body.Unpack(body)
    kept = {name: value for name, value in metadata.items() if name not in LEFT_OUT}
    return {"Metadata": kept, "Body": json_format.MessageToDict(body), "TypeURL": resource.body.type_url}


def cases(folder: Path) -> Iterator[Path]:
    yield from sorted({file.parent for file in folder.rglob("test.yaml")})


def stages(case: Path) -> list[Path]:
    """The case itself, or its stages in their order."""
    found = sorted(case.glob("stage[0-9]*"), key=lambda each: int(each.name.removeprefix("stage")))
    return found or [case]


def namespaced(text: str) -> str:
    """As the cases' own harness does it: every object is put into the namespace of the run."""
    documents = [each for each in yaml.safe_load_all(text) if each]
    for each in documents:
        each["metadata"]["namespace"] = NAMESPACE
        each["metadata"].pop("creationTimestamp", None)  # a date to PyYAML
    return yaml.safe_dump_all(documents)


def filled(value: Any) -> Any:
    """`{{.Namespace}}` is the namespace of the run; versions of objects are not compared."""
    if isinstance(value, dict):
        return {name: "(any)" if name in VERSIONS else filled(each) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return value.replace("{{.Namespace}}", NAMESPACE) if isinstance(value, str) else value


def holds(check: Json, found: list[Json]) -> bool:
    """One check of a constraint: `empty`, `exactlyOne` or `any`, of `equals`."""
    (word,) = check
    if word == "empty":
        return not found
    assert word in ("exactlyOne", "any"), f"a check that is not understood: {word}"
    fitting = [each for each in found if all(filled(part["equals"]) == filled(each) for part in check[word])]
    return len(fitting) == 1 if word == "exactlyOne" else bool(fitting)


async def play(case: Path, place: Path) -> list[str]:
    """What of a case does not hold."""
    place.mkdir()
    galley, wrong = Published(place), list[str]()
    for stage in stages(case):
        (galley.folder / "input.yaml").write_text(namespaced((stage / "input.yaml").read_text()))
        if (stage / "meshconfig.yaml").exists():
            galley.mesh.write_text((stage / "meshconfig.yaml").read_text())
        await galley.publisher.read()
        for constraint in yaml.safe_load((stage / "mcp.yaml").read_text())["constraints"]:
            found = galley.collection(constraint["collection"])
            wrong += [
                f"{stage}: {constraint['collection']}: wanted {check}, found {found}; {galley.told}"
                for check in constraint["check"]
                if not holds(check, found)
            ]
    return wrong


async def test_conformance(vectors: Path, tmp_path: Path) -> None:
    found = list(cases(vectors / "1.4" / "files" / "conformance"))
    wrong: list[str] = []
    for number, case in enumerate(found):
        wrong += await play(case, tmp_path / str(number))
    print(f"1.4/files/conformance: {len(found)} ran, 0 skipped, {len(wrong)} differ")
    assert len(found) >= 13
    assert wrong == [], "\n".join(wrong)


# Kinds that have no rules of their own: what is written is what travels.
FREE = [kind for kind in KINDS if kind.collection.startswith(LEGACY_PREFIX)]


@pytest.mark.parametrize("kind", FREE, ids=lambda kind: kind.kind)
async def test_kinds_that_travel_as_a_struct(kind: Any, tmp_path: Path) -> None:
    place = tmp_path / "galley"
    place.mkdir()
    galley = Published(place)
    spec = {"a": 1, "b": {"c": ["x", None, True]}, "d": "text"}
    document = {"apiVersion": kind.api_versions[0], "kind": kind.kind, "metadata": {"name": "x"}, "spec": spec}
    (galley.folder / "x.yaml").write_text(yaml.safe_dump(document))
    await galley.publisher.read()
    assert galley.told == []
    (resource,) = galley.collection(kind.collection)
    assert resource == {
        "Metadata": {"name": "default/x"},
        "Body": {**spec, "a": 1.0},
        "TypeURL": "type.googleapis.com/google.protobuf.Struct",
    }


# What is written -> how it must arrive: set and empty, which is STRICT, and never left out, which is no policy.
MTLS = {
    "peers: [{mtls: {}}]": [{"mtls": {}}],
    "peers: [{mtls: null}]": [{"mtls": {}}],
    "peers: [{mtls: }]": [{"mtls": {}}],
    "peers: [{mtls: {mode: PERMISSIVE}}]": [{"mtls": {"mode": "PERMISSIVE"}}],
    "peers: [{mtls: {mode: STRICT}}]": [{"mtls": {}}],
}


@pytest.mark.parametrize("written", MTLS)
@pytest.mark.parametrize("kind", ["Policy", "MeshPolicy"])
async def test_mutual_tls_survives(written: str, kind: str, tmp_path: Path) -> None:
    place = tmp_path / "galley"
    place.mkdir()
    galley = Published(place)
    text = (
        f"apiVersion: authentication.istio.io/v1alpha1\nkind: {kind}\nmetadata: {{name: default}}\nspec:\n  {written}\n"
    )
    (galley.folder / "x.yaml").write_text(text)
    await galley.publisher.read()
    plural = "policies" if kind == "Policy" else "meshpolicies"
    (resource,) = galley.collection(f"istio/authentication/v1alpha1/{plural}")
    assert resource["Body"]["peers"] == MTLS[written]
    assert resource["Metadata"]["name"] == ("default/default" if kind == "Policy" else "default")
