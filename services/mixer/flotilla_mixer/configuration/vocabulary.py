"""Which attributes there are: those of every mesh, and those that attribute manifests add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla_protos.istio.policy.v1beta1.value_type_pb2 import ValueType as WireType
from flotilla_shared.model.expressions import VOCABULARY, ValueType
from flotilla_shared.model.objects import ConfigObject
from flotilla_shared.model.problems import ProblemLog


def vocabulary(manifests: Iterable[ConfigObject], problems: ProblemLog) -> Mapping[str, ValueType]:
    """All attributes with their types. An attribute keeps the type that was declared first; who declares it
    otherwise is told.
    """
    known = dict(VOCABULARY)
    for manifest in sorted(manifests, key=lambda each: each.key):
        for name, info in sorted(manifest.spec.attributes.items()):
            declared = _type(info.value_type)
            if declared is None:
                continue
            if known.setdefault(name, declared) is not declared:
                text = f"the attribute {name} is declared as {declared} here and is {known[name]} already; that type stays."
                problems.error(manifest.key, "attribute-conflict", f"spec.attributes[{name}].valueType", text)
    return known


def _type(number: int) -> ValueType | None:
    try:
        return ValueType(WireType.Name(number))
    except ValueError:
        return None
