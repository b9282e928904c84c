"""An earlier injection of the same pod, taken out again, so that injecting twice gives what once gives."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field

from flotilla_pilot.injection.annotations import OVERRIDES, STATUS
from flotilla_pilot.injection.context import own_proxy
from flotilla_pilot.injection.document import Json, at, listing, mapping, named
from flotilla_pilot.injection.probes import VARIABLE as PROBERS
from flotilla_pilot.injection.probes import Probers, read_probers

SCRAPE = "ISTIO_PROMETHEUS_ANNOTATIONS"
LISTS = ("initContainers", "containers", "volumes", "imagePullSecrets")


@dataclass(frozen=True, slots=True)
class Earlier:
    """`pod` is as the user wrote it, as far as that is known; the rest is what the earlier injection took from it."""

    pod: Json
    probers: Probers = field(default_factory=dict)
    scrape: str = ""


def take_out(pod: Json) -> Earlier:
    """A copy without what `sidecar.istio.io/status` names, with the user's own proxy container back in its place."""
    found = deepcopy(pod)
    annotations = mapping(at(found, "metadata", "annotations"))
    added = _object(annotations.get(STATUS))
    if not added:
        return Earlier(found)
    environment = listing(mapping(own_proxy(found)).get("env"))
    spec = mapping(found.get("spec"))
    for name in LISTS:
        names = added.get(name) or []
        if name in spec and isinstance(spec[name], list):
            spec[name] = [each for each in spec[name] if mapping(each).get("name") not in names]
    for name, containers in _object(annotations.get(OVERRIDES)).items():
        if name in LISTS:
            spec[name] = [*(spec.get(name) or []), *listing(containers)]
    for name in LISTS:
        if spec.get(name) == [] and name != "containers":
            del spec[name]
    annotations.pop(OVERRIDES, None)
    return Earlier(found, read_probers(_value(environment, PROBERS)), _value(environment, SCRAPE))


def _value(environment: list[Json], name: str) -> str:
    return str(mapping(named(environment, name)).get("value") or "")


def _object(text: object) -> Json:
    try:
        return mapping(json.loads(text)) if isinstance(text, str) else {}
    except ValueError:
        return {}
