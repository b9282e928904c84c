"""Strategic merge, as Kubernetes does it, for the parts of a pod that injection touches: lists are merged by their key."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from flotilla_pilot.injection.document import Json

# The key by which a list's entries are the same; lists of other fields are replaced.
KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "env": ("name",),
    "envFrom": (),
    "ports": ("containerPort", "protocol"),
    "volumeMounts": ("mountPath",),
    "sysctls": ("name",),
}
# Exactly one of these is a volume's, a variable's or a probe's: another one replaces it.
ONE_OF = {"volumes": frozenset({"name"}), "env": frozenset({"name"})}
PROBES = frozenset({"livenessProbe", "readinessProbe", "startupProbe"})
HANDLERS = frozenset({"httpGet", "tcpSocket", "grpc", "exec"})


def merge(base: Json, over: Json) -> Json:
    """A new object: `over` counts where both say something."""
    merged = deepcopy(base)
    for key, value in over.items():
        merged[key] = _merged(key, merged.get(key), value)
    return merged


def _merged(key: str, base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        if key in PROBES and HANDLERS & over.keys():
            base = {name: value for name, value in base.items() if name not in HANDLERS}
        return merge(base, over)
    if isinstance(base, list) and isinstance(over, list) and key in KEYS:
        return merge_lists(key, base, over)
    return deepcopy(over)


def merge_lists(key: str, base: list[Any], over: list[Any]) -> list[Any]:
    """Entries of `base` in their order, then those that only `over` has."""
    found = deepcopy(base)
    for entry in over:
        at = next((index for index, each in enumerate(found) if _same(key, each, entry)), None)
        if at is None:
            found.append(deepcopy(entry))
        else:
            found[at] = deepcopy(entry) if key in ONE_OF else merge(found[at], entry)
    return found


def _same(key: str, one: Any, other: Any) -> bool:
    fields = KEYS[key]
    if not fields or not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    return all(one.get(field, _USUAL.get(field)) == other.get(field, _USUAL.get(field)) for field in fields)


_USUAL = {"protocol": "TCP"}
