"""What is read after the main source and the mesh configuration: a directory beside a cluster, and what Galley makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from flotilla_galley.snapshot.ledger import Entry, Reading
from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.sources.listing import SUFFIXES
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_galley.transforms.derive import Options, derive, is_derived
from flotilla_galley.transforms.kubernetes import KubernetesObject, Origin
from flotilla_galley.transforms.memo import Memo
from flotilla_galley.validation.validate import Verdict, check_spec
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import GATEWAYS, VIRTUAL_SERVICES, by_collection
from flotilla_shared.model.objects import ConfigObject, Problem
from flotilla_shared.runtime.logs import get_logger

_Made = tuple[tuple[tuple[SourceObject, Verdict], ...], tuple[Problem, ...]]
_log = get_logger(__name__)
_RULED = frozenset({GATEWAYS, VIRTUAL_SERVICES})


class FurtherSource(Protocol):
    """Its objects count where no source before it has one of the same name."""

    def read(self, mesh: MeshConfig) -> Reading:
        """What it holds now, with the mesh configuration of now. Blocks, and never raises."""
        ...

    def owns(self, entry: Entry) -> bool:
        """Whether an entry that was kept over a restart came from it."""
        ...


class DirectoryBeside:
    """A FurtherSource. A directory beside custom resources."""

    def __init__(self, directory: DirectorySource) -> None:
        self._directory = directory

    def read(self, mesh: MeshConfig) -> Reading:
        return self._directory.read()

    def owns(self, entry: Entry) -> bool:
        """Files have names that end so; the place of a custom resource has none of these."""
        return entry.file.endswith(SUFFIXES) and not is_derived(entry.key)


class KubernetesInput(Protocol):
    """Where Kubernetes' objects come from. `reading` says how much of them could be read."""

    @property
    def reading(self) -> Reading: ...

    def kubernetes_objects(self) -> tuple[Sequence[KubernetesObject], Sequence[Problem]]:
        """What there is now, and what of it cannot be read. Never raises; may run in a thread."""
        ...


class DerivedSource:
    """A FurtherSource. What the transforms make of what its inputs have; read after these."""

    def __init__(self, options: Options, inputs: Sequence[KubernetesInput]) -> None:
        self._options = options
        self._inputs = inputs
        self._memo = Memo()
        self._judged = Memo()
        self._last: tuple[list[KubernetesObject], MeshConfig, _Made] | None = None

    def read(self, mesh: MeshConfig) -> Reading:
        """Only what a change concerns is made and judged again."""
        objects: list[KubernetesObject] = []
        problems: list[Problem] = []
        for each in self._inputs:
            found, wrong = each.kubernetes_objects()
            objects += found
            problems += wrong
        lost = any(each.reading.lost for each in self._inputs)
        uncertain = frozenset(name for each in self._inputs for name in each.reading.uncertain)
        try:
            pairs, told = self._made(objects, mesh)
        except Exception:  # noqa: BLE001  # a fault of Galley's own: other sources go on
            _log.exception("nothing can be made of Kubernetes' objects; what was made stays")
            return Reading(problems=tuple(problems), lost=True)
        return Reading(pairs, (*problems, *told), uncertain, lost)

    def _made(self, objects: list[KubernetesObject], mesh: MeshConfig) -> _Made:
        """What was made last, if nothing is new: most readings are because of something else."""
        known = self._last
        if known is not None and known[1] == mesh and _same(known[0], objects):
            return known[2]
        made = derive(objects, mesh, self._options, self._memo)
        pairs = tuple(self._judge(item, origin) for item, origin in made.objects)
        self._judged.turn()
        self._last = (objects, mesh, (pairs, tuple(made.problems)))
        return self._last[2]

    def _judge(self, item: ConfigObject, origin: Origin) -> tuple[SourceObject, Verdict]:
        name = (item.key, origin.full_name)  # Ingresses of two namespaces may have one name for their Gateway
        return self._judged.made(name, (item, origin.file, origin.line), lambda: _judged(item, origin))

    def owns(self, entry: Entry) -> bool:
        return is_derived(entry.key)


def _same(one: list[KubernetesObject], other: list[KubernetesObject]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _judged(item: ConfigObject, origin: Origin) -> tuple[SourceObject, Verdict]:
    """What is made is held to the rules of its kind, too: it must not harm what reads it."""
    kind = by_collection(item.key.collection)
    assert kind is not None
    document = YamlDocument(None, origin.line)
    source = SourceObject(kind, item.key, {}, item.labels, item.annotations, item.create_time_ns, origin.file, document)
    found = check_spec(item.key.collection, item.spec, item.key.namespace) if item.key.collection in _RULED else []
    placed = tuple(replace(problem, file=origin.file, line=origin.line) for problem in found)
    refused = any(problem.severity == "error" for problem in placed)
    return source, Verdict(None if refused else item, placed)
