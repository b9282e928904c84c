"""Whose a pod is, and under which names it is shown: workload, canonical service, revision of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flotilla_pilot.injection.document import Json, at, listing, texts
from flotilla_shared.model.owners import Owner, workload_owner

CANONICAL_NAME = "service.istio.io/canonical-name"
CANONICAL_REVISION = "service.istio.io/canonical-revision"
LONGEST_LABEL = 63
_NO_END = re.compile(r"[^A-Za-z0-9]+$")


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """`uri` is the owner, as ISTIO_META_OWNER has it; both texts are empty where nobody can tell yet."""

    workload: str
    uri: str
    canonical_name: str
    canonical_revision: str


def pod_identity(pod: Json, namespace: str, owner: Owner | None = None) -> PodIdentity:
    """`owner` is who makes such pods, where that is known without the pod (`kube-inject` of a Deployment)."""
    labels = texts(at(pod, "metadata", "labels"))
    owner = owner or _owner(pod, labels)
    workload = owner.name if owner else ""
    return PodIdentity(
        workload=workload,
        uri=owner.uri(namespace) if owner else "",
        canonical_name=_first(labels, (CANONICAL_NAME, "app.kubernetes.io/name", "app"), workload),
        canonical_revision=_first(labels, (CANONICAL_REVISION, "app.kubernetes.io/version", "version"), "latest"),
    )


def _owner(pod: Json, labels: Mapping[str, str]) -> Owner | None:
    references = listing(at(pod, "metadata", "ownerReferences"))
    controller = next((each for each in references if each.get("controller")), None)
    name = str(at(pod, "metadata", "name") or "")
    if controller is None:
        return workload_owner(name, labels, None) if name else None
    found = Owner(str(controller.get("apiVersion")), str(controller.get("kind")), str(controller.get("name")))
    return workload_owner(name, labels, found)


def _first(labels: Mapping[str, str], names: tuple[str, ...], default: str) -> str:
    """A label's value has an end: it is cut, and must not end with a dot or a dash then."""
    found = next((labels[name] for name in names if labels.get(name)), default)
    return _NO_END.sub("", found[:LONGEST_LABEL])
