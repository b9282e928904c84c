"""Whether a pod is injected: the first rule that says something decides (kubernetes.md 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flotilla_pilot.injection.document import Json, at, texts
from flotilla_pilot.injection.selectors import is_empty, matches
from flotilla_pilot.injection.settings import InjectionConfig

INJECT = "sidecar.istio.io/inject"
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
ANSWERS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is for people: which rule decided."""

    inject: bool
    reason: str


def decide(pod: Json, namespace: str, config: InjectionConfig) -> Decision:
    labels, annotations = texts(at(pod, "metadata", "labels")), texts(at(pod, "metadata", "annotations"))
    if at(pod, "spec", "hostNetwork"):
        return Decision(False, "it has host networking")
    if namespace in SYSTEM_NAMESPACES:
        return Decision(False, f"nothing is injected in {namespace}")
    answer = _asked_for(labels, annotations)
    if answer is not None:
        return answer
    for verdict, name, selectors in ((False, "never", config.never), (True, "always", config.always)):
        if any(not is_empty(each) and matches(each, labels) for each in selectors):
            return Decision(verdict, f"its labels match {name}InjectSelector")
    return Decision(config.policy == "enabled", f"the policy is {config.policy}")


def _asked_for(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Decision | None:
    """The label counts where there is one; values other than true and false say nothing."""
    for where, found in (("label", labels), ("annotation", annotations)):
        if INJECT in found:
            answer = ANSWERS.get(found[INJECT])
            return None if answer is None else Decision(answer, f"its {where} {INJECT} is {found[INJECT]}")
    return None
