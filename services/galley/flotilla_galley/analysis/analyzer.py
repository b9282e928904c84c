"""What an analyzer is, and what it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from flotilla_galley.analysis.kinds import EVERYTHING, PLANNED_PODS, PODS
from flotilla_galley.analysis.message import Message
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.validation.mesh_config import MESH_DEFAULTS
from flotilla_galley.validation.validate import decode
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import MESH_CONFIG

T = TypeVar("T")
DOMAIN = "cluster.local"


class NotDeclared(LookupError):
    """An analyzer reads a collection that is not among its `reads`: a mistake of its author."""


class View:
    """A set of resources as one analyzer may see it: the collections that it reads."""

    def __init__(self, resources: ResourceSet, reads: Iterable[str], made: dict[Any, Any] | None = None) -> None:
        self._resources = resources
        self._reads = frozenset(reads)
        self._made = {} if made is None else made

    def all(self, collection: str) -> tuple[Resource, ...]:
        """Every object of a collection, by namespace and name. EVERYTHING stands for all there are."""
        self._check(collection)
        return self._resources.all() if collection == EVERYTHING else self._resources.of(collection)

    def get(self, collection: str, namespace: str, name: str) -> Resource | None:
        self._check(collection)
        return self._resources.get(collection, namespace, name)

    def remote(self, collection: str) -> dict[str, tuple[Resource, ...]]:
        """The objects of a collection in other clusters of the mesh, by the cluster's name."""
        self._check(collection)
        return {name: each.of(collection) for name, each in self._resources.remote.items()}

    def once(self, make: Callable[[View], T]) -> T:
        """What `make` makes of the view, made once for all analyzers of a run."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast("T", self._made[make])

    @property
    def mesh_config(self) -> MeshConfig:
        """The mesh configuration over its defaults."""
        self._check(MESH_CONFIG)
        return self.once(_mesh_config)

    @property
    def root_namespace(self) -> str:
        """Objects in it without a selector are about the whole mesh."""
        return self.mesh_config.root_namespace

    def _check(self, collection: str) -> None:
        if collection == PLANNED_PODS:
            collection = PODS
        if collection not in self._reads and EVERYTHING not in self._reads:
            raise NotDeclared(f"{collection} is not among the collections that this analyzer reads")


Look = Callable[[Resource, View], Iterable[Message]]


@dataclass(frozen=True, slots=True)
class Analyzer:
    """`each` maps a collection to what is called with each of its objects; `whole` is called once.

    `name` is Istio's. Analyzers that are not `by_default` run only when they are named.
    """

    name: str
    description: str
    reads: tuple[str, ...]
    each: Mapping[str, Look] = field(default_factory=dict)
    whole: Callable[[View], Iterable[Message]] | None = None
    by_default: bool = True


def _mesh_config(view: View) -> MeshConfig:
    given = next(iter(view.all(MESH_CONFIG)), None)
    found = MeshConfig()
    decode(found, {**MESH_DEFAULTS, **(given.written_spec if given is not None else {})})
    return found
