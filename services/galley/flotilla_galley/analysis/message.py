"""One thing found: its type, the object, where in it, and the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla_galley.analysis.catalogue import Level, MessageType, catalogue
from flotilla_galley.analysis.resource import Resource

DOCUMENTATION = "https://istio.io/latest/docs/reference/config/analysis"


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """`field` is a path in the object, "" for the object as a whole. `resource` is None if it is about no object."""

    type: MessageType
    resource: Resource | None
    field: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def code(self) -> str:
        return self.type.code

    @property
    def level(self) -> Level:
        return self.type.level

    @property
    def text(self) -> str:
        return self.type.text.format(**dict(self.parameters))

    @property
    def origin(self) -> str:
        """`VirtualService default/reviews`, or ""."""
        return self.resource.origin if self.resource is not None else ""

    @property
    def line(self) -> int:
        """1-based; 0 where no file is known."""
        return self.resource.line_of(self.field) if self.resource is not None else 0

    @property
    def column(self) -> int:
        return self.resource.column_of(self.field) if self.resource is not None else 1

    @property
    def reference(self) -> str:
        """`file:line`, or ""."""
        return f"{self.resource.file}:{self.line}" if self.resource is not None and self.resource.file else ""

    def as_dict(self) -> dict[str, str]:
        """As istioctl prints it; without `reference` where no file is known, without `origin` if about no object, and
        without `documentationUrl` where the code is not Istio's.
        """
        found = {
            "code": self.code,
            "documentationUrl": f"{DOCUMENTATION}/{self.code.lower()}/" if self.code.startswith("IST") else "",
            "level": self.level.word,
            "message": self.text,
            "origin": self.origin,
            "reference": self.reference,
        }
        return {name: value for name, value in found.items() if value or name == "message"}

    def order(self) -> tuple[Any, ...]:
        """The worst first, then by code, object, place and text. Two messages of one order are the same."""
        file = self.resource.file if self.resource is not None else ""
        return self.level.wire, self.code, self.origin, file, self.line, self.text


def tell(name: str, resource: Resource | None, field: str = "", /, **parameters: object) -> Message:
    """A message of the type of that name. Every parameter of its text must be given, and no other."""
    found = catalogue()[name]
    if found.parameters != parameters.keys():
        raise ValueError(f"{name} has the parameters {sorted(found.parameters)}, not {sorted(parameters)}")
    return Message(found, resource, field, tuple((key, str(value)) for key, value in parameters.items()))
