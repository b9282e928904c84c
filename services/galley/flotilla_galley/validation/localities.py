"""Localities and how load is shared between them (rules DR11 and MC3 of Istio's validation)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.overlaps import overlapping_localities
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    LocalityLoadBalancerSetting,
    ZoneAwareLoadBalancerSetting,
)

TOPOLOGY = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone")
ALL = 100
DEPTH = 3


def locality_setting(setting: LocalityLoadBalancerSetting, report: Report, *, outlier: bool) -> None:
    """`outlier`: there is an outlierDetection, without which nobody is failed over."""
    if setting.distribute and (setting.failover or setting.failover_priority):
        report.at("distribute").wrong("it excludes failover and failoverPriority; keep one of them", "conflict")
    froms = []
    for where, share in report.each("distribute", setting.distribute):
        froms.append(getattr(share, "from"))
        if sum(share.to.values()) != ALL:
            where.at("to").wrong(f"the weights add up to {sum(share.to.values())}; they must add up to {ALL}")
        for name, weight in sorted(share.to.items()):
            if not 1 <= weight <= ALL:
                where.at("to", name).wrong(f"{weight} is outside of 1 to {ALL}")
        where.at("to").wrong(localities(sorted(share.to)))
    report.at("distribute").wrong(localities(froms))
    _failover(setting.failover, report)
    if setting.failover and any(name in TOPOLOGY for name in setting.failover_priority):
        report.at("failoverPriority").wrong("beside failover it may not name region, zone or subzone", "conflict")
    _outlier(setting, report, outlier=outlier)


def zone_setting(setting: ZoneAwareLoadBalancerSetting, report: Report, *, outlier: bool) -> None:
    """Region, zone and subzone are what this setting goes by itself."""
    for where, name in report.each("failoverPriority", setting.failover_priority):
        where.wrong(f"{name!r} is weighed already; name other labels" if name in TOPOLOGY else "")
    _failover(setting.failover, report)
    _outlier(setting, report, outlier=outlier)


def _outlier(setting: Any, report: Report, *, outlier: bool) -> None:
    if (setting.failover or setting.failover_priority) and not outlier:
        report.warn("without outlierDetection nobody is failed over; add one beside loadBalancer")


def _failover(failover: Sequence[Any], report: Report) -> None:
    for where, each in report.each("failover", failover):
        begin, end = getattr(each, "from"), each.to
        if begin == end:
            where.wrong(f"{begin!r} is failed over to itself; name another region")
        for field, region in (("from", begin), ("to", end)):
            if "*" in region:
                where.at(field).wrong(f"{region!r} has a star; name a region")
            elif "/" in region:
                where.at(field).wrong(f"{region!r} must be a region alone")


def localities(names: Sequence[str]) -> str:
    """What is wrong with a set of localities `region/zone/subzone`, or ""."""
    for name in names:
        parts = name.split("/")
        if any(not part for part in parts):
            return f"locality {name!r} has an empty part"
        if any("*" in part and (part != "*" or index != len(parts) - 1) for index, part in enumerate(parts)):
            return f"locality {name!r}: a star may only be the last part"
        if len(parts) > DEPTH:
            return f"locality {name!r} has more parts than region, zone and subzone"
    found = overlapping_localities(names)
    if found is not None:
        return f"localities {names[found[1]]!r} and {names[found[0]]!r} overlap; keep one of them"
    return ""
