"""Faults in the steps of the compiler: any function of compile/ and scope/ fails as soon as it is given one object."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from google.protobuf.message import Message

import flotilla_pilot
from flotilla_pilot.model.references import Reference
from flotilla_shared.model.objects import ConfigObject, ObjectKey

ROOT = Path(flotilla_pilot.__file__).parent
ROOMS = (ROOT / "compile", ROOT / "scope")
AROUND = ("containment.py", "compiler.py", "cache.py")
"""What stands around the steps: it finds the object, or calls the steps, or keeps what they made."""


class Injected(RuntimeError):
    """A fault that a test put into a step."""


Step = tuple[str, str]
"""A function: its module's file below the package, and its name."""


@cache
def step_of(code: CodeType) -> Step | None:
    """The step that the code is; None for what is no step."""
    file = Path(code.co_filename)
    if not _is_in_rooms(code) or file.name in AROUND:
        return None
    return str(file.relative_to(ROOT)), code.co_qualname


@cache
def _is_in_rooms(code: CodeType) -> bool:
    return any(room in Path(code.co_filename).parents for room in ROOMS)


def modules() -> list[str]:
    """The modules that have steps."""
    files = (file for room in ROOMS for file in room.rglob("*.py"))
    return sorted(str(each.relative_to(ROOT)) for each in files if each.name not in (*AROUND, "__init__.py"))


def forget(names: Iterable[str]) -> None:
    """Let these modules begin anew what they remember from one call to the next."""
    for name in names:
        module = sys.modules.get(f"flotilla_pilot.{name.removesuffix('.py').replace('/', '.')}")
        for value in list(vars(module).values()) if module is not None else ():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


class Reach:
    """Finds the objects that what a step works on was made from, each with its version."""

    def __init__(self, items: Iterable[ConfigObject]) -> None:
        self._specs = {id(each.spec): frozenset({(each.key, each.version)}) for each in items}
        self._known: dict[int, tuple[object, frozenset[Reference]]] = {}

    def at(self, frame: FrameType | None) -> frozenset[Reference]:
        """Of a step's own values; where they say nothing, of those of the step that began it."""
        while frame is not None and _is_in_rooms(frame.f_code):
            found = self._all(list(frame.f_locals.values()))
            if found:
                return found
            frame = frame.f_back
        return _NOTHING

    def _all(self, values: Iterable[Any]) -> frozenset[Reference]:
        return _NOTHING.union(*map(self._in, values))

    def _in(self, value: Any) -> frozenset[Reference]:
        if isinstance(value, ConfigObject):
            return frozenset({(value.key, value.version)})
        if isinstance(value, Message):
            return self._specs.get(id(value), _NOTHING)
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], ObjectKey):
            return frozenset({value}) if isinstance(value[1], str) else _NOTHING
        if isinstance(value, Mapping):
            return self._all(each for pair in value.items() for each in pair)
        if isinstance(value, tuple | list | set | frozenset):
            return self._all(value)
        return self._remembered(value) if type(value).__module__.startswith("flotilla_pilot.") else _NOTHING

    def _remembered(self, value: Any) -> frozenset[Reference]:
        """Objects are looked into once; one that holds itself holds nothing more."""
        found = self._known.get(id(value))
        if found is None:
            self._known[id(value)] = value, _NOTHING
            found = self._known[id(value)] = value, self._all(_fields(value))
        return found[1]


_NOTHING: frozenset[Reference] = frozenset()


def _fields(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value):
        yield from (getattr(value, field.name, None) for field in dataclasses.fields(value))
    else:
        yield from getattr(value, "__dict__", {}).values()


@contextmanager
def watched(on_call: Callable[[Step, FrameType], None]) -> Iterator[None]:
    """Every step that is begun meanwhile is told. What `on_call` raises is raised by the step, and ends the watch."""

    def trace(frame: FrameType, event: str, _: object) -> None:
        step = step_of(frame.f_code) if event == "call" else None
        if step is not None:
            on_call(step, frame)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
