"""The root's ConfigMap in a namespace: what it holds, and whose one is. Pure.

Every namespace has it but those that hold no workloads. Another mesh may publish its root under the same name, so ours
carry a mark, and one without it is never written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla_shared.runtime.kube.objects import ConfigMap
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS

NAME = "istio-ca-root-cert"
KEY = "root-cert.pem"
LABEL, LABEL_VALUE = "istio.io/config", "true"
MARK = "flotilla.dev/citadel-id"
# As Istio: kube-system is not among them.
SKIPPED = frozenset(("kube-public", "kube-node-lease", "local-path-storage"))


class Finding(StrEnum):
    """What a namespace has, and so what is to be done."""

    ABSENT = "absent"  # to be made
    EDITED = "edited"  # ours, and not as it should be: to be repaired
    PUBLISHED = "published"  # ours, and right
    SHARED = "shared"  # somebody else's, with our root: workloads trust us, nothing to do
    FOREIGN = "foreign"  # somebody else's, with another root: told, never written


@dataclass(frozen=True, slots=True)
class Publication:
    """What this Citadel publishes: the root bundle (PEM), under its mark."""

    root_pem: str
    citadel_id: str

    def find(self, found: ConfigMap | None) -> Finding:
        """What this ConfigMap (None: there is none) is to us."""
        if found is None:
            return Finding.ABSENT
        data = found.data or {}
        if found.metadata.annotations.get(MARK) != self.citadel_id:
            return Finding.SHARED if _same(data.get(KEY, ""), self.root_pem) else Finding.FOREIGN
        right = data == {KEY: self.root_pem} and found.metadata.labels.get(LABEL) == LABEL_VALUE
        return Finding.PUBLISHED if right else Finding.EDITED

    def manifest(self, namespace: str) -> dict[str, Any]:
        """The ConfigMap to create."""
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": NAME,
                "namespace": namespace,
                "labels": {LABEL: LABEL_VALUE},
                "annotations": {MARK: self.citadel_id},
            },
            "data": {KEY: self.root_pem},
        }

    def repair(self, found: ConfigMap) -> dict[str, Any]:
        """The merge patch that puts ours right again. It holds for the version that was seen; labels and annotations of
        others stay, data of others does not.
        """
        others = {name: None for name in found.data or {} if name != KEY}
        return {
            "metadata": {
                "resourceVersion": found.metadata.resource_version,
                "labels": {LABEL: LABEL_VALUE},
                "annotations": {MARK: self.citadel_id},
            },
            "data": {**others, KEY: self.root_pem},
        }


def citadel_id(namespace: str, trust_domain: str, revision: str) -> str:
    """The mark of all replicas of one Citadel, the same after every restart."""
    return f"{namespace}/{trust_domain}/{revision or 'default'}"


def _same(theirs: str, ours: str) -> bool:
    """Whether two PEM texts are one, but for white space."""
    return theirs.split() == ours.split()
