"""Single rules of Istio 1.4, each judged by the rule here that holds it: verdicts are equal, or differ with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_galley.sources.documents import kind_by_name, objects_of
from flotilla_galley.sources.yaml_documents import YamlDocument
from flotilla_galley.validation import checks, localities
from flotilla_galley.validation.addresses import host_port
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.http_route import status
from flotilla_galley.validation.mixer_clients import check_attributes, check_service
from flotilla_galley.validation.of_1_4 import (
    cors,
    destination_rule,
    destinations,
    faults,
    gateway,
    http_route,
    mesh_config,
)
from flotilla_galley.validation.of_1_4.decode import DecoderOf14
from flotilla_galley.validation.of_1_4.primitives import header_name
from flotilla_galley.validation.retries import check_retries
from flotilla_galley.validation.validate import validate_object
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig
from flotilla_protos.istio.mixer.v1.attributes_pb2 import Attributes
from flotilla_protos.istio.mixer.v1.config.client.service_pb2 import IstioService
from flotilla_protos.istio.networking.v1alpha3 import destination_rule_pb2 as dr
from flotilla_protos.istio.networking.v1alpha3 import gateway_pb2 as gw
from flotilla_protos.istio.networking.v1alpha3 import virtual_service_pb2 as vs
from flotilla_shared.testing.verdicts import Table, lines

# id -> why our verdict is another.
DIFFERENT: Mapping[str, str] = {}
Judge = Callable[[Any], Report]


def decoded(spec: Message, written: Any, report: Report) -> Any:
    DecoderOf14("warning", report.problems).message(spec, written, report.path)
    return spec


def part(message: type[Message], rule: Callable[..., None], *others: Any) -> Judge:
    """A rule of a message; none is right. `others`: what the rule is given behind the report."""

    def judge(given: Any) -> Report:
        report = Report()
        if given is not None:
            rule(decoded(message(), given, report), report, *others)
        return report

    return judge


def value(rule: Callable[[Any], str]) -> Judge:
    def judge(given: Any) -> Report:
        report = Report()
        report.wrong(rule(given))
        return report

    return judge


def time(rule: Callable[[Duration], str]) -> Judge:
    return part(Duration, lambda spec, report: report.wrong(rule(spec)))


def parent_and_drain(given: list[str]) -> Report:
    report = Report()
    draining, parent = (decoded(Duration(), each, report) for each in given)
    mesh_config.shutdown(draining, parent, report)
    return report


def routes(given: list[Any]) -> Report:
    return part(vs.HTTPRoute, lambda route, report: destinations.check_targets(route.route, report))({"route": given})


def locality_setting(spec: dr.LocalityLoadBalancerSetting, report: Report) -> None:
    localities.locality_setting(spec, report, outlier=True)


def pool(spec: dr.ConnectionPoolSettings, report: Report) -> None:
    connection_pool(spec, report, keepalive=False)


JUDGES: dict[str, Judge] = {
    "connect_timeout": time(mesh_config.connect_timeout),
    "connection_pool": part(dr.ConnectionPoolSettings, pool),
    "cors_policy": part(vs.CorsPolicy, cors.check_cors),
    "destination": part(vs.Destination, destinations.destination),
    "duration": time(checks.duration),
    "fqdn": value(checks.fqdn),
    "http_fault_injection_abort": part(vs.HTTPFaultInjection.Abort, faults.check_abort),
    "http_fault_injection_delay": part(vs.HTTPFaultInjection.Delay, faults.check_delay),
    "http_header_name": value(header_name),
    "http_redirect": part(vs.HTTPRedirect, http_route.check_redirect),
    "http_retry": part(vs.HTTPRetry, check_retries, http_route.WORDS),
    "http_rewrite": part(vs.HTTPRewrite, http_route.check_rewrite),
    "http_route": part(vs.HTTPRoute, http_route.validate),
    "http_status": value(status),
    "load_balancer": part(dr.LoadBalancerSettings, destination_rule.load_balancer),
    "localities": value(localities.localities),
    "locality_lb_setting": part(dr.LocalityLoadBalancerSetting, locality_setting),
    "mesh_config": part(MeshConfig, mesh_config.validate, ""),
    "mixer_attributes": part(Attributes, check_attributes),
    "mixer_service": part(IstioService, check_service),
    "outlier_detection": part(dr.OutlierDetection, destination_rule.outlier_detection),
    "parent_and_drain": parent_and_drain,
    "port": value(checks.port),
    "port_name": value(checks.dns_label),
    "proxy_address": value(host_port),
    "proxy_config": part(ProxyConfig, mesh_config.proxy_config),
    "route_destinations": routes,
    "server": part(gw.Server, gateway.server),
    "server_port": part(gw.Port, gateway.port),
    "tls_options": part(gw.ServerTLSSettings, gateway.server_tls),
    "traffic_policy": part(dr.TrafficPolicy, destination_rule.traffic_policy),
    "wildcard_domain": value(checks.wildcard_domain),
}


def of_an_object(case: dict[str, Any]) -> bool:
    """Where a case has a kind it is a whole object, which goes the way of one."""
    named = {"name": case["object_name"] or "some", "namespace": case["object_namespace"] or "default"}
    written = {"kind": case["kind"], "metadata": named, "spec": case["spec"]}
    found, _ = objects_of("case", YamlDocument(written, 1), kind_by_name)
    return bool(found) and validate_object(found[0], "1.4").item is not None


def of_a_value(case: dict[str, Any]) -> bool:
    problems = JUDGES[case["rule"]](case["value"]).problems
    return not any(problem.severity == "error" for problem in problems)


def test_rules_of_1_4(vectors: Path) -> None:
    table = Table("1.4/galley/validation", DIFFERENT)
    for case in lines(vectors / "1.4" / "galley" / "validation.jsonl"):
        if "kind" not in case and case["rule"] not in JUDGES:
            table.skip(case["rule"])
            continue
        mine = of_an_object(case) if "kind" in case else of_a_value(case)
        table.compare(case["id"], case["valid"], mine, f"{case['rule']} {case.get('error')}")
    table.tell()
    assert table.ran > 200
    assert not table.skipped
    assert table.unexplained == []
    assert table.share >= 0.97
