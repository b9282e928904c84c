"""Clusters held to Envoy's limits: it refuses all of a response for one field of one of them."""

from dataclasses import dataclass, replace
from typing import Any

from flotilla_pilot.compile.clusters import outbound
from flotilla_pilot.compile.guard import Fault, fault
from flotilla_pilot.compile.outbound_cluster import OutboundCluster
from flotilla_pilot.model.destination_rules import without_policies
from flotilla_pilot.model.tls_only import only_tls
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.model.problems import ProblemLog


@dataclass(frozen=True, slots=True, eq=False)
class Broken:
    """What is wrong, whose fault it is, and what becomes of the cluster."""

    key: ObjectKey
    field: str
    text: str

    def tell(self, log: ProblemLog) -> None:
        log.error(self.key, "refused-by-envoy", self.field, self.text)


def sound_cluster(given: OutboundCluster) -> tuple[Any | None, Broken | None]:
    """The cluster of `given`, and what of it was left out.

    Of a traffic policy that breaks a limit all stays that is about TLS; if the fault lies there, or in the service,
    there is no cluster: nobody is to be called in the clear.
    """
    cluster = outbound(given)
    found = fault(cluster)
    if found is None:
        return cluster, None
    reduced = outbound(replace(given, policy=only_tls(given.policy)))
    if given.policy.references and fault(reduced) is None:
        return reduced, _broken(given, found, f"of the traffic policy of {given.name} only TLS is left")
    return None, _broken(given, found, f"{given.name} is left out")


def _broken(given: OutboundCluster, found: Fault, outcome: str) -> Broken:
    path, text = found
    whose, field = given.service.source.key, "spec"
    if given.policy.references and fault(outbound(replace(given, policy=without_policies(given.policy)))) is None:
        whose, field = given.policy.references[0][0], "spec.trafficPolicy"
    return Broken(whose, field, f"Envoy's {path} {text}; {outcome}")
