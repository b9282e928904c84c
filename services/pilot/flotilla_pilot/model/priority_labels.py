"""Which labels of callers and endpoints any priority asks for."""

from collections.abc import Iterable, Iterator
from typing import Any

from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import NODE
from flotilla_pilot.model.services import Service
from flotilla_pilot.model.traffic_distribution import PRIORITIES
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import DestinationRule
from flotilla_shared.model.objects import ConfigObject


def priority_labels(mesh: MeshOptions, rules: Iterable[ConfigObject], services: Iterable[Service]) -> frozenset[str]:
    """The labels whose values make a difference between callers; those whose value a rule fixes do not.

    Services whose callers stay on their node ask for the node.
    """
    listed = [each for setting in (mesh.locality, mesh.zone_aware) if setting for each in setting.failover_priority]
    for item in rules:
        listed += (each for policy in _policies(item.spec) for each in _listed(policy))
    asked = {each for each in listed if "=" not in each}
    for each in services:
        asked.update(PRIORITIES.get(each.traffic_distribution, ()), (NODE,) if each.node_local else ())
    return frozenset(asked)


def _policies(rule: DestinationRule) -> Iterator[Any]:
    """The traffic policies of a rule: its own, those of its subsets, and those of their ports."""
    for policy in (rule.traffic_policy, *(each.traffic_policy for each in rule.subsets)):
        yield policy
        yield from policy.port_level_settings


def _listed(policy: Any) -> Iterator[str]:
    balancer = policy.load_balancer
    yield from balancer.locality_lb_setting.failover_priority
    yield from balancer.zone_aware_lb_setting.failover_priority
