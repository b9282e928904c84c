"""What of a DestinationRule says how connections are encrypted."""

from dataclasses import replace
from typing import Any

from flotilla_pilot.model.destination_rules import DestinationPolicy
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import DestinationRule, Subset, TrafficPolicy


def tls_only(rule: Any) -> DestinationRule:
    """The rule with its host, whom it is for, its subsets by labels and everything about TLS; nothing else."""
    found = DestinationRule(host=rule.host, export_to=rule.export_to)
    if rule.HasField("workload_selector"):
        found.workload_selector.CopyFrom(rule.workload_selector)
    if rule.HasField("traffic_policy"):
        found.traffic_policy.CopyFrom(_policy(rule.traffic_policy))
    found.subsets.extend(_subset(each) for each in rule.subsets)
    return found


def only_tls(given: DestinationPolicy) -> DestinationPolicy:
    """The same of what several rules say together."""
    policy = _policy(given.policy) if given.policy is not None else None
    return replace(given, policy=policy, subsets=tuple(_subset(each) for each in given.subsets))


def _subset(each: Subset) -> Subset:
    subset = Subset(name=each.name, labels=each.labels)
    if each.HasField("traffic_policy"):
        subset.traffic_policy.CopyFrom(_policy(each.traffic_policy))
    return subset


def _policy(policy: Any) -> TrafficPolicy:
    found = TrafficPolicy()
    if policy.HasField("tls"):
        found.tls.CopyFrom(policy.tls)
    for each in policy.port_level_settings:
        port = found.port_level_settings.add()
        port.port.CopyFrom(each.port)
        if each.HasField("tls"):
            port.tls.CopyFrom(each.tls)
    return found
