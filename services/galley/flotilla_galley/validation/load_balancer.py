"""How calls are shared between endpoints (rules DR9 to DR12 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation import checks
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.localities import locality_setting, zone_setting
from flotilla_protos.istio.networking.v1alpha3.destination_rule_pb2 import LoadBalancerSettings, WarmupConfiguration

# Envoy's limit of a Maglev table.
MAX_TABLE = 5_000_011


def load_balancer(balancer: LoadBalancerSettings, report: Report, *, outlier: bool) -> None:
    """`outlier`: there is an outlierDetection beside it."""
    if balancer.WhichOneof("lb_policy") == "consistent_hash":
        _hash(balancer.consistent_hash, report.at("consistentHash"))
    if balancer.HasField("locality_lb_setting") and balancer.HasField("zone_aware_lb_setting"):
        report.at("zoneAwareLbSetting").wrong("it excludes localityLbSetting; keep one of them", "conflict")
    if balancer.HasField("locality_lb_setting"):
        locality_setting(balancer.locality_lb_setting, report.at("localityLbSetting"), outlier=outlier)
    if balancer.HasField("zone_aware_lb_setting"):
        zone_setting(balancer.zone_aware_lb_setting, report.at("zoneAwareLbSetting"), outlier=outlier)
    if balancer.HasField("warmup"):
        _warmup(balancer.warmup, report.at("warmup"))
    if balancer.HasField("warmup_duration_secs"):
        report.check(checks.duration, "warmupDurationSecs", balancer.warmup_duration_secs)


def _hash(policy: LoadBalancerSettings.ConsistentHashLB, report: Report) -> None:
    if policy.WhichOneof("hash_key") == "http_cookie":
        _cookie(policy.http_cookie, report.at("httpCookie"))
    if policy.minimum_ring_size:
        report.at("minimumRingSize").warn("it is out of date; write ringHash.minimumRingSize")
        if policy.WhichOneof("hash_algorithm"):
            report.at("minimumRingSize").wrong("it excludes ringHash and maglev; remove it", "conflict")
    if policy.WhichOneof("hash_algorithm") == "maglev":
        size = policy.maglev.table_size
        if not 0 < size < MAX_TABLE or not _prime(size):
            report.at("maglev").at("tableSize").wrong(f"{size} is no prime number below {MAX_TABLE}, such as 65537")


def _cookie(cookie: LoadBalancerSettings.ConsistentHashLB.HTTPCookie, report: Report) -> None:
    if not cookie.name:
        report.at("name").wrong("it is missing")
    seen: set[str] = set()
    for where, attribute in report.each("attributes", cookie.attributes):
        if not attribute.name:
            where.at("name").wrong("it is missing")
        elif attribute.name in seen:
            where.at("name").wrong(f"{attribute.name!r} is named twice", "duplicate")
        seen.add(attribute.name)


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _warmup(warmup: WarmupConfiguration, report: Report) -> None:
    """DR12"""
    if warmup.HasField("duration"):
        report.check(checks.duration, "duration", warmup.duration)
    else:
        report.at("duration").wrong("it is missing, such as 60s")
    if not 0 <= warmup.minimum_percent.value <= 100:
        report.at("minimumPercent").wrong(f"{warmup.minimum_percent.value:g} is outside of 0 to 100")
    if warmup.HasField("aggression") and warmup.aggression.value <= 0:
        report.at("aggression").wrong(f"{warmup.aggression.value:g} must be above 0")
