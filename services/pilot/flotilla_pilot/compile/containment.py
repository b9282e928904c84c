"""One object that cannot be compiled never withholds the others.

Rules are checked where they are read; this is for what nobody foresaw: an exception in any step of building a snapshot
or compiling a proxy. The object whose presence makes it fail is found by halving, and the work is done without it. Only
what says who may talk to whom is never left out: if the fault lies there, it is found all the same, so that it can be
told, and the caller keeps what it has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.services import Endpoint, Service
from flotilla_pilot.model.snapshot import MeshSettings, MeshSnapshot, Objects, build_snapshot
from flotilla_pilot.model.tls_only import tls_only
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ConfigObject, ObjectKey, Problem

MOST = 8
"""Objects that are left out of one compilation at most; where more is broken the program is, not the configuration."""

_ORDER = (
    kinds.SERVICE_ENTRIES,
    kinds.WORKLOAD_ENTRIES,
    kinds.DESTINATION_RULES,
    kinds.GATEWAYS,
    kinds.VIRTUAL_SERVICES,
    kinds.ENVOY_FILTERS,
)
"""What may be left out: first what others lean on, for of two that fail together the later is blamed."""

_KEPT = (
    kinds.MESH_CONFIG,
    kinds.MESH_POLICIES,
    kinds.POLICIES,
    kinds.PEER_AUTHENTICATIONS,
    kinds.SIDECARS,
)
"""What is never left out, and is looked at where nothing else is at fault."""

OnContained = Callable[[ObjectKey], None]


class Withheld(Exception):
    """There is nothing for a proxy but what it has; `problems` are those of the objects at fault, as far as known."""

    def __init__(self, problems: Mapping[ObjectKey, tuple[Problem, ...]]) -> None:
        super().__init__(", ".join(map(str, problems)) or "no object is at fault")
        self.problems = problems


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a snapshot is built from. `told` is what was found wrong already, in what is not configuration.

    `distributions` has by namespace whom callers of its ServiceEntries prefer, where these do not say it.
    """

    objects: Objects
    settings: MeshSettings
    native: Sequence[Service] = ()
    told: Mapping[ObjectKey, tuple[Problem, ...]] = field(default_factory=dict)
    distributions: Mapping[str, str] = field(default_factory=dict)
    workloads: Sequence[Endpoint] = ()

    @classmethod
    def of(cls, snapshot: MeshSnapshot) -> "Parts":
        objects: dict[str, dict[ObjectKey, ConfigObject]] = {}
        for key, item in snapshot.objects.items():
            objects.setdefault(key.collection, {})[key] = item
        told = snapshot.native
        return cls(
            objects,
            snapshot.settings,
            told.services,
            distributions=snapshot.distributions,
            workloads=told.workloads,
        )

    def suspects(self) -> list[ObjectKey]:
        """Everything that may be left out, in a fixed order: Kubernetes' services, then by kind, the newest last."""
        return [*sorted(each.source.key for each in self.native), *self._held(_ORDER)]

    def kept(self) -> list[ObjectKey]:
        """What may not, in a fixed order."""
        return self._held(_KEPT)

    def _held(self, order: Iterable[str]) -> list[ObjectKey]:
        return [item.key for name in order for item in _by_age(self.objects.get(name, {}).values())]

    def build(self, without: Iterable[ObjectKey] = ()) -> MeshSnapshot:
        """The snapshot of all but these. Of a DestinationRule its TLS stays: nobody is to be called in the clear."""
        gone = frozenset(without)
        objects = {
            name: {key: _reduced(item) if key in gone else item for key, item in held.items() if _stays(key, gone)}
            for name, held in self.objects.items()
        }
        native = tuple(each for each in self.native if each.source.key not in gone)
        snapshot = build_snapshot(objects, self.settings, native, self.distributions, self.workloads)
        return replace(snapshot, problems={**self.told, **snapshot.problems}) if self.told else snapshot


def _by_age(items: Iterable[ConfigObject]) -> list[ConfigObject]:
    return sorted(items, key=lambda item: (item.create_time_ns, item.key))


def _stays(key: ObjectKey, gone: frozenset[ObjectKey]) -> bool:
    return key not in gone or key.collection == kinds.DESTINATION_RULES


def _reduced(item: ConfigObject) -> ConfigObject:
    return replace(item, spec=tls_only(item.spec), version=f"{item.version}-tls")


Work = Callable[[MeshSnapshot], object]


def culprits(parts: Parts, suspects: Sequence[ObjectKey], known: Iterable[ObjectKey], work: Work) -> list[ObjectKey]:
    """Those of `suspects` without which `work` succeeds, found by halving; `known` ones are left out from the start.

    Raises what `work` raises if no such objects can be found.
    """
    before = [each for each in suspects if each in frozenset(known)]
    found = _latest(parts, suspects, before, work)
    if len(found) > len(before) + 1:
        one = _leaned_on(parts, suspects, before, work)
        return [*before, one] if one is not None else found
    return found


def _latest(parts: Parts, suspects: Sequence[ObjectKey], before: list[ObjectKey], work: Work) -> list[ObjectKey]:
    """Of objects that fail together the last is taken."""
    found = list(before)
    for _ in range(MOST):
        rest = [each for each in suspects if each not in found]
        if not _fails(parts, found, work):
            return found
        work(parts.build(suspects))
        low, high = 0, len(rest)
        while high - low > 1:
            middle = (low + high) // 2
            if _fails(parts, [*found, *rest[middle:]], work):
                high = middle
            else:
                low = middle
        found.append(rest[high - 1])
    work(parts.build(found))
    return found


def _leaned_on(parts: Parts, suspects: Sequence[ObjectKey], before: list[ObjectKey], work: Work) -> ObjectKey | None:
    """The one that all who fail lean on, such as a service: the last without which, and all before it, nothing fails.

    None if there is not one alone.
    """
    rest = [each for each in suspects if each not in before]
    low, high = 0, len(rest)
    while high - low > 1:
        middle = (low + high) // 2
        if _fails(parts, [*before, *rest[:middle]], work):
            low = middle
        else:
            high = middle
    one = rest[high - 1]
    return None if _fails(parts, [*before, one], work) else one


def _fails(parts: Parts, without: Iterable[ObjectKey], work: Work) -> bool:
    try:
        work(parts.build(without))
    except Exception:  # noqa: BLE001  # any failure is what is looked for
        return True
    return False


def told(keys: Iterable[ObjectKey], error: Exception) -> dict[ObjectKey, tuple[Problem, ...]]:
    """The problem of each object that was left out."""
    text = (
        f"it cannot be compiled ({type(error).__name__}: {error}) and is left out, while everything else is served; "
        "this is a fault of Pilot, whose log has the trace: change the object, or report it"
    )
    return {key: (Problem("compile-failed", "", text),) for key in keys}


def kept_back(keys: Iterable[ObjectKey], error: Exception) -> dict[ObjectKey, tuple[Problem, ...]]:
    """The problem of each object that is at fault and must not be left out."""
    text = (
        f"it cannot be compiled ({type(error).__name__}: {error}); nothing is served without it, so that the proxies which "
        "it is for keep what they have; this is a fault of Pilot, whose log has the trace: change the object, or report it"
    )
    return {key: (Problem("compile-failed", "", text),) for key in keys}


def build_contained(parts: Parts, on_contained: OnContained = lambda _: None) -> MeshSnapshot:
    """As `build_snapshot`, without the objects that make it fail; they are there by name, with their problem."""
    try:
        return parts.build()
    except Exception as error:  # noqa: BLE001  # whatever it is, the others must not wait for it
        found = culprits(parts, parts.suspects(), (), lambda _: None)
        for key in found:
            on_contained(key)
        snapshot = parts.build(found)
        items = (item for held in parts.objects.values() for item in held.values())
        named = {item.key: item for item in items if item.key in frozenset(found)}
        problems = {**snapshot.problems, **told(found, error)}
        return replace(snapshot, objects={**snapshot.objects, **named}, problems=problems)


class ContainedCompiler:
    """A compiler that one object cannot stop. One thread at a time.

    What was found guilty is remembered by version, so that it is looked for once.
    """

    def __init__(self, compiler: Compiler | None = None, on_contained: OnContained = lambda _: None) -> None:
        self._compiler = compiler or Compiler()
        self._aside = Compiler()
        self._on_contained = on_contained
        self._guilty: dict[ObjectKey, str] = {}
        self._reduced: tuple[MeshSnapshot, frozenset[ObjectKey], MeshSnapshot] | None = None

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        """As `Compiler.compile`. Raises Withheld, and only where what must not be left out is at fault."""
        try:
            return self._compiler.compile(snapshot, proxy)
        except Exception as error:  # noqa: BLE001  # whatever it is, the others must not wait for it
            return self._without(snapshot, proxy, error)

    def _without(self, snapshot: MeshSnapshot, proxy: Proxy, error: Exception) -> CompiledProxy:
        versions = _versions(snapshot)
        known = {key for key, version in self._guilty.items() if versions.get(key) == version}
        parts = Parts.of(snapshot)
        work = lambda reduced: Compiler().compile(reduced, proxy)  # noqa: E731
        try:
            found = frozenset(culprits(parts, parts.suspects(), known, work))
        except Exception as kept:
            guilty = self._kept_culprits(parts, known, work)
            self._guilty.update((key, versions[key]) for key in guilty)
            raise Withheld(kept_back(guilty, error)) from kept
        for key in sorted(found - known):
            self._guilty[key] = versions[key]
            self._on_contained(key)
        compiled = self._aside.compile(self._reduce(snapshot, parts, found), proxy)
        problems = {**compiled.problems, **told(sorted(found), error)}
        return CompiledProxy(compiled.resources, MappingProxyType(problems))

    @staticmethod
    def _kept_culprits(parts: Parts, known: Iterable[ObjectKey], work: Work) -> list[ObjectKey]:
        """Who is at fault of what is never left out; nobody where it fails without all of it."""
        try:
            return culprits(parts, parts.kept(), known, work)
        except Exception:  # noqa: BLE001  # the first exception is the one that is told
            return []

    def _reduce(self, snapshot: MeshSnapshot, parts: Parts, gone: frozenset[ObjectKey]) -> MeshSnapshot:
        held = self._reduced
        if held is None or held[0] is not snapshot or held[1] != gone:
            held = self._reduced = snapshot, gone, parts.build(gone)
        return held[2]


def _versions(snapshot: MeshSnapshot) -> Mapping[ObjectKey, str]:
    native = {each.source.key: each.version for each in snapshot.services if each.is_native}
    return {**native, **{key: item.version for key, item in snapshot.objects.items()}}
