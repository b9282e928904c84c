"""A fault in any step of compile/ and scope/: one object is left out and told; everything else is as if it had not been."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla_pilot.compile.compiler import Compiler
from flotilla_pilot.compile.containment import ContainedCompiler, Parts, Withheld
from flotilla_pilot.compile.resource import CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.references import Reference
from flotilla_pilot.testing.faulty_steps import Injected, Reach, Step, forget, modules, watched
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.testing.properties import examples

WEB = {"app": "web", "version": "v1"}
PROXIES = (
    make_proxy("web", LABELS=WEB, INTERCEPTION_MODE="REDIRECT", INSTANCE_IPS="10.2.0.1"),
    make_proxy("caller", 2),
    make_proxy("edge", 3, kind="router", LABELS={"app": "edge"}),
    make_proxy("web", 4, LABELS=WEB, GENERATOR="grpc", INSTANCE_IPS="10.2.0.1"),
)
KEPT = (kinds.MESH_CONFIG, kinds.SIDECARS, kinds.PEER_AUTHENTICATIONS)
MESH = Mesh((Path(__file__).parent / "meshes" / "every_step.yaml").read_text())


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """`step` fails for one of the proxies, by its place in PROXIES, as soon as it is given the object."""

    step: Step
    number: int
    victim: Reference

    @property
    def proxy(self) -> Proxy:
        return PROXIES[self.number]


@dataclass
class Begun:
    """What a compilation of each proxy begins: the faults that there can be, by module."""

    faults: dict[str, set[Fault]] = field(default_factory=dict)

    @classmethod
    def of(cls, mesh: Mesh) -> "Begun":
        begun = cls()
        for number, proxy in enumerate(PROXIES):
            forget(modules())
            with watched(begun.note(number, mesh)):
                Compiler().compile(mesh.snapshot, proxy)
        return begun

    def note(self, number: int, mesh: Mesh) -> Any:
        reach = Reach(mesh.snapshot.objects.values())

        def on_call(step: Step, frame: FrameType) -> None:
            found = self.faults.setdefault(step[0], set())
            found.update(Fault(step, number, each) for each in reach.at(frame))

        return on_call


@pytest.fixture(scope="module")
def begun() -> Begun:
    return Begun.of(MESH)


@contextmanager
def injected(fault: Fault) -> Iterator[None]:
    """Every compilation meanwhile has the fault."""
    whole = Compiler.compile

    def faulty(self: Compiler, *given: Any) -> CompiledProxy:
        forget([fault.step[0]])
        reach = Reach(MESH.snapshot.objects.values())

        def on_call(step: Step, frame: FrameType) -> None:
            if step == fault.step and fault.victim in reach.at(frame):
                raise Injected(f"in {step}")

        with watched(on_call):
            return whole(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Compiler, "compile", faulty)
        yield


def check(fault: Fault) -> None:
    """One object is at fault: the victim, or of those which the step is begun for as well a later one."""
    contained: list[ObjectKey] = []
    compiler = ContainedCompiler(on_contained=contained.append)
    with injected(fault):
        found = served(compiler, fault.proxy)
    if isinstance(found, Withheld):
        (key,) = found.problems
        assert key.collection in KEPT, fault
        assert fault.victim[0].collection in KEPT, fault
        return
    whole = Compiled(Compiler().compile(MESH.snapshot, fault.proxy)).bodies()
    if not contained:  # a patch that fails is left out of its object, and what is remembered is not begun again
        assert found.bodies() == whole or PATCHES & {key for key, problems in found.compiled.problems.items()}, fault
        return
    key = contained[0]
    assert len(contained) == 1 or fault.victim[0].collection in KEPT, fault
    assert [name for name, code, _ in found.problems() if code == "compile-failed"] == [
        each.full_name for each in sorted(contained)
    ], fault
    without = Parts.of(MESH.snapshot).build(contained)
    assert found.bodies() == Compiled(Compiler().compile(without, fault.proxy)).bodies(), fault
    assert ORDER.index(key) >= ORDER.index(fault.victim[0]), fault


def served(compiler: ContainedCompiler, proxy: Proxy) -> Compiled | Withheld:
    try:
        return Compiled(compiler.compile(MESH.snapshot, proxy))
    except Withheld as withheld:
        return withheld


PATCHES = {key for key in MESH.snapshot.objects if key.collection == kinds.ENVOY_FILTERS}
ORDER = [*Parts.of(MESH.snapshot).kept(), *Parts.of(MESH.snapshot).suspects()]


@pytest.mark.parametrize("module", modules())
def test_a_fault_in_a_module_costs_one_object(module: str, begun: Begun) -> None:
    faults = sorted(begun.faults.get(module, ()))
    if not faults:
        pytest.skip("nothing of it is begun for the mesh of every step")
    check(random.Random(module).choice(faults))


@given(st.integers(0, 2**32))
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_fault_in_any_step_costs_one_object(begun: Begun, number: int) -> None:
    every = sorted(each for found in begun.faults.values() for each in found)
    check(every[number % len(every)])


FEW = 2
"""Modules that wait for an object of theirs in the mesh of every step."""


def test_every_module_has_steps_that_are_begun(begun: Begun) -> None:
    missing = sorted(set(modules()) - {name for name, found in begun.faults.items() if found})
    assert len(missing) <= FEW, missing
    steps = {fault.step for found in begun.faults.values() for fault in found}
    print(f"{len(steps)} steps of {len(begun.faults)} modules are begun")
    assert len(steps) > 700
