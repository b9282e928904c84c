"""Which locality setting holds for a cluster (pilot.md 2.13), and what of a caller's place its outcome depends on."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import BoolValue

from flotilla_pilot.compile.traffic_policy import PortPolicy
from flotilla_pilot.model.mesh import MeshOptions
from flotilla_pilot.model.place import Place, parts
from flotilla_pilot.model.traffic_distribution import PRIORITIES
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import (
    LoadBalancerSettings,
    LocalityLoadBalancerSetting,
    ZoneAwareLoadBalancerSetting,
)

Setting = LocalityLoadBalancerSetting | ZoneAwareLoadBalancerSetting


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The setting that holds; `forced`: lower priorities are used without outlier detection too."""

    setting: Setting
    forced: bool = False


def chosen_setting(
    locality: LocalityLoadBalancerSetting | None,
    zone_aware: ZoneAwareLoadBalancerSetting | None,
    stated: LoadBalancerSettings | None,
    distribution: str,
) -> Chosen | None:
    """The first that is there: of the DestinationRule (`stated`), the Service's own `distribution`, the mesh's.

    Of two at one place the zone-aware one. None where it is switched off, or nothing is said.
    """
    if stated is not None and stated.HasField("zone_aware_lb_setting"):
        return _zone_aware(stated.zone_aware_lb_setting)
    if stated is not None and stated.HasField("locality_lb_setting"):
        return _if_enabled(stated.locality_lb_setting)
    if distribution:
        wanted = LocalityLoadBalancerSetting(enabled=BoolValue(value=True), failover_priority=PRIORITIES[distribution])
        return Chosen(wanted, forced=True)
    if zone_aware is not None:
        return _zone_aware(zone_aware)
    return _if_enabled(locality) if locality is not None else None


def _zone_aware(setting: ZoneAwareLoadBalancerSetting) -> Chosen:
    return Chosen(setting, forced=is_enabled(setting))


def _if_enabled(setting: LocalityLoadBalancerSetting) -> Chosen | None:
    return Chosen(setting) if is_enabled(setting) else None


def is_enabled(setting: Setting) -> bool:
    """Unset is on."""
    return not setting.HasField("enabled") or setting.enabled.value


@dataclass(frozen=True, slots=True)
class Share:
    """Callers at `source` spread their calls over the localities of `to`, by weight."""

    source: str
    to: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Balance:
    """How calls to one cluster are spread over localities: by shares, or else by priorities.

    `failover` has pairs of regions, `labels` what `failoverPriority` lists.
    """

    shares: tuple[Share, ...] = ()
    failover: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether Envoy is to heed the weights of localities.

        By default it is not: that would weaken a choice by the number of requests under way.
        """
        return bool(self.shares or self.failover or self.labels)

    def share_of(self, place: Place) -> Share | None:
        """The share that says where callers at `place` go."""
        return next((each for each in self.shares if matches(place.locality, each.source)), None)

    def seen_from(self, place: Place) -> object:
        """What the outcome depends on of `place`: equal values give equal priorities and weights."""
        if self.shares:
            return self.share_of(place)
        if not self.labels:
            return place.locality
        return place.locality if self.failover else "", self.wanted(place)

    def wanted(self, place: Place) -> tuple[tuple[str, str], ...]:
        """The labels by which endpoints are told apart, each with the value that is preferred."""
        return tuple(_wanted(each, place.labels) for each in self.labels)


def _wanted(label: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """`key` asks for the caller's own value, `key=value` for that one."""
    name, fixed, value = label.partition("=")
    return name, value if fixed else labels.get(name, "")


def matches(locality: str, pattern: str) -> bool:
    """Whether a locality is one that a rule names: `*` is any, and parts that are left out are too."""
    region, *below = zip(parts(locality), parts(pattern), strict=True)
    return region[1] in ("*", region[0]) and all(wanted in ("*", "", own) for own, wanted in below)


def balance_of(mesh: MeshOptions, policy: PortPolicy, distribution: str) -> Balance | None:
    """How calls under `policy` are spread; None where every endpoint is alike to every caller.

    Without outlier detection Envoy would never come to a lower priority, so that there are none then.
    """
    found = chosen_setting(mesh.locality, mesh.zone_aware, policy.load_balancer, distribution)
    if found is None:
        return None
    setting = found.setting
    if isinstance(setting, LocalityLoadBalancerSetting) and setting.distribute:
        return Balance(shares=tuple(Share(getattr(each, "from"), _ordered(each.to)) for each in setting.distribute))
    if not found.forced and (policy.outlier_detection is None or not is_enabled(setting)):
        return None
    regions = tuple((getattr(each, "from"), each.to) for each in setting.failover)
    return Balance(failover=regions, labels=tuple(setting.failover_priority))


def _ordered(to: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """Narrow localities before wide ones, so that each endpoint is counted where it is meant."""
    return tuple(sorted(to.items(), key=lambda pair: ([part in ("", "*") for part in parts(pair[0])], pair[0])))
