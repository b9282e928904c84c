"""Whom a set of documents concerns: one proxy of every class that they tell apart."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from google.protobuf import json_format

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.offline.kubernetes import is_kubernetes
from flotilla_pilot.testing.meshes import make_proxy
from flotilla_shared.model import kinds

Document = Mapping[str, Any]


def readable(documents: Iterable[Any]) -> Iterator[Document]:
    """Those that are objects which Pilot is given: of Kubernetes' own, or of a kind with fields that there are."""
    for each in documents:
        if not isinstance(each, dict) or not (each.get("metadata") or {}).get("name"):
            continue
        if is_kubernetes(each) or _is_known(each):
            yield each


def _is_known(document: Document) -> bool:
    kind = kinds.kind_of(str(document.get("apiVersion")), str(document.get("kind")))
    if kind is None:
        return False
    try:
        json_format.ParseDict(document.get("spec") or {}, kind.message_class()())
    except json_format.ParseError:
        return False
    return True


def proxies_of(documents: Iterable[Document]) -> Iterator[Proxy]:
    """A gateway for every selector of a Gateway; in every namespace a sidecar that intercepts and one that does not,
    and one with the labels that each object selects by.
    """
    numbers = count(1)
    held = list(documents)
    for namespace, labels in _selections(held):
        yield make_proxy("client", next(numbers), namespace=namespace, LABELS=labels, INTERCEPTION_MODE="REDIRECT")
    for namespace in sorted({_namespace(each) for each in held}):
        yield make_proxy("bound", next(numbers), namespace=namespace)
    gateways = {_frozen(each["spec"].get("selector")): each for each in held if each["kind"] == "Gateway"}
    for selector, each in gateways.items():
        yield make_proxy("gateway", next(numbers), "router", _namespace(each), LABELS=dict(selector))


def _selections(documents: Iterable[Document]) -> Iterator[tuple[str, dict[str, str]]]:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], None] = {}
    for each in documents:
        spec = each.get("spec") or {}
        selector = spec.get("workloadSelector") or spec.get("selector") or {}
        labels = selector.get("labels") or selector.get("matchLabels") or {}
        found[_namespace(each), ()] = None
        if each["kind"] != "Gateway":
            found[_namespace(each), _frozen(labels)] = None
    for namespace, labels in found:
        yield namespace, dict(labels)


def _frozen(labels: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((labels or {}).items()))


def _namespace(document: Document) -> str:
    return str(document["metadata"].get("namespace") or "default")
