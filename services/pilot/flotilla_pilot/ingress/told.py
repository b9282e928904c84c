"""What of an Ingress is not served."""

from collections.abc import Callable, Mapping

from flotilla_shared.model.objects import ObjectKey, Problem
from flotilla_shared.model.problems import ProblemLog
from flotilla_shared.runtime.kube.objects import Ingress

INGRESSES = "k8s/networking/v1/ingresses"

Tell = Callable[[str, str], None]
"""Tells a field of the Ingress and what is wrong with it."""


class IngressProblems:
    """What is wrong with Ingresses, by their own names."""

    def __init__(self) -> None:
        self._log = ProblemLog()

    def of(self, ingress: Ingress) -> Tell:
        key = ObjectKey(INGRESSES, ingress.metadata.namespace, ingress.metadata.name)
        return lambda field, text: self._log.error(key, "ingress-refused", field, text)

    def found(self) -> Mapping[ObjectKey, tuple[Problem, ...]]:
        return self._log.found()
