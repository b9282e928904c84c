"""Single rules of today's Istio, each judged by the rule here that holds it: verdicts are equal, or differ with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_galley.validation import (
    checks,
    destination_rule,
    gateway,
    http_route,
    localities,
    mesh_config,
    mesh_proxy,
)
from flotilla_galley.validation.addresses import host_port, provider_service
from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.client_tls import client_tls
from flotilla_galley.validation.connection_pool import connection_pool
from flotilla_galley.validation.cors import check_cors
from flotilla_galley.validation.decode import Decoder
from flotilla_galley.validation.destinations import check_destination
from flotilla_galley.validation.faults import check_abort, check_delay
from flotilla_galley.validation.header_values import header_value
from flotilla_galley.validation.load_balancer import load_balancer
from flotilla_galley.validation.log_filters import log_filter
from flotilla_galley.validation.mesh_connections import check_connections
from flotilla_galley.validation.mesh_providers import check_provider
from flotilla_galley.validation.outlier_detection import outlier_detection
from flotilla_galley.validation.redirects import check_redirect, check_rewrite
from flotilla_galley.validation.retries import check_retries
from flotilla_galley.validation.server_tls import server_tls
from flotilla_galley.validation.virtual_service import gateway_host
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_protos.istio.mesh.v1alpha1.proxy_pb2 import ProxyConfig
from flotilla_protos.istio.networking.v1alpha3 import destination_rule_pb2 as dr
from flotilla_protos.istio.networking.v1alpha3 import gateway_pb2 as gw
from flotilla_protos.istio.networking.v1alpha3 import virtual_service_pb2 as vs
from flotilla_shared.testing.verdicts import Table, lines

# id -> why our verdict is another.
DIFFERENT: Mapping[str, str] = {}
# check -> why it is not asked here.
NOT_OURS = {
    "ValidateMeshNetworks": "networks are told by their gateways' Services; there is no MeshNetworks",
    "ValidateMaxServerConnectionAge": "a flag of istiod's",
}
Judge = Callable[[dict[str, Any]], Report]
Fault = vs.HTTPFaultInjection


def decoded(spec: Message, written: Any, report: Report) -> Any:
    Decoder(problems=report.problems).message(spec, written, report.path)
    return spec


def part(message: type[Message], rule: Callable[..., None], argument: str, **others: str) -> Judge:
    """A rule of a message, which is in an argument; none is right. `others`: arguments by those of the rule."""

    def judge(given: dict[str, Any]) -> Report:
        report = Report()
        if given[argument] is not None:
            spec = decoded(message(), given[argument], report)
            rule(spec, report, **{name: given[of] for name, of in others.items()})
        return report

    return judge


def value(rule: Callable[[Any], str], argument: str) -> Judge:
    def judge(given: dict[str, Any]) -> Report:
        report = Report()
        report.wrong(rule(given[argument]))
        return report

    return judge


def time(rule: Callable[[Duration], str], argument: str) -> Judge:
    return part(Duration, lambda spec, report: report.wrong(rule(spec)), argument)


def provider(field: str, argument: str = "config") -> Judge:
    of = part(MeshConfig.ExtensionProvider, check_provider, "provider")
    return lambda given: of({"provider": {"name": "one", field: given[argument]}})


def balanced(message: type[Message], rule: Callable[..., None], argument: str) -> Judge:
    """`outlier` says whether there is an outlierDetection."""
    plain = part(message, rule, argument, outlier="outlier")
    return lambda given: plain(given | {"outlier": given["outlier"] is not None})


def export_to(given: dict[str, Any]) -> Report:
    if not given["isDestinationRuleWithSelector"]:
        report = Report()
        checks.export_to(report, given["exportTo"], given["namespace"], nobody=given["isServiceEntry"])
        return report
    rule = {"host": "a.example.com", "exportTo": given["exportTo"], "workloadSelector": {"matchLabels": {"a": "b"}}}
    given = {"rule": rule, "namespace": given["namespace"]}
    return part(dr.DestinationRule, destination_rule.validate, "rule", namespace="namespace")(given)


def direct_response(given: dict[str, Any]) -> Report:
    body = (given["directResponse"] or {}).get("body", {})
    if isinstance(long := body.get("string"), dict):
        body["string"] = long["repeat"] * long["times"]
    return part(vs.HTTPDirectResponse, http_route.direct_response, "directResponse")(given)


def redirect(given: dict[str, Any]) -> Report:
    matches = [decoded(vs.HTTPMatchRequest(), each, Report()) for each in given["matches"] or ()]
    return part(vs.HTTPRedirect, check_redirect, "redirect", matches="matches")(given | {"matches": matches})


def route(given: dict[str, Any]) -> Report:
    return part(vs.HTTPRoute, http_route.validate, "http", delegate="delegate")(given)


def destinations(given: dict[str, Any]) -> Report:
    return route({"http": {"route": given["weights"]}, "delegate": False})


def uri_rewrite(given: dict[str, Any]) -> Report:
    if given["regexRewrite"] is None:
        return Report()
    return part(vs.HTTPRewrite, check_rewrite, "it")({"it": {"uriRegexRewrite": given["regexRewrite"]}})


def server_port(given: dict[str, Any]) -> Report:
    return part(gw.Server, gateway.check_port, "it")({"it": {"port": given["port"], "bind": given["bind"]}})


def on_gateway(given: dict[str, Any]) -> Report:
    return value(lambda domain: gateway_host(domain, sni=given["sni"]), "domain")(given)


def authentication_policy(given: dict[str, Any]) -> Report:
    report = Report()
    decoded(ProxyConfig(), {"controlPlaneAuthPolicy": given["policy"]}, report)
    return report


def whole_mesh(spec: MeshConfig, report: Report) -> None:
    mesh_config.validate(spec, report, "istio-system")


JUDGES: dict[str, Judge] = {
    "ValidateConnectTimeout": time(mesh_config.connect_timeout, "timeout"),
    "ValidateControlPlaneAuthPolicy": authentication_policy,
    "ValidateDrainDuration": time(mesh_proxy.drain, "drainTime"),
    "ValidateDuration": time(checks.duration, "pd"),
    "ValidateExtensionProviderEnvoyHTTPAls": provider("envoyHttpAls", "provider"),
    "ValidateExtensionProviderEnvoyOtelAls": provider("envoyOtelAls", "provider"),
    "ValidateExtensionProviderEnvoyTCPAls": provider("envoyTcpAls", "provider"),
    "ValidateExtensionProviderTracingOpentelemetry": provider("opentelemetry", "provider"),
    "validateExtensionProviderEnvoyExtAuthzHTTP": provider("envoyExtAuthzHttp"),
    "validateExtensionProviderEnvoyExtAuthzGRPC": provider("envoyExtAuthzGrpc"),
    "validateExtensionProviderTracingDatadog": provider("datadog"),
    "validateExtensionProviderTracingSkyWalking": provider("skywalking"),
    "validateExtensionProviderTracingLightStep": provider("lightstep"),
    "validateExtensionProviderTracingOpenCensusAgent": provider("opencensus"),
    "validateExtensionProviderTracingZipkin": provider("zipkin"),
    "validateExtensionProviderService": value(provider_service, "service"),
    "ValidateFQDN": value(checks.fqdn, "fqdn"),
    "ValidateHTTPHeaderNameOrJwtClaimRoute": value(lambda name: checks.header_name(name, pseudo=True), "name"),
    "ValidateStrictHTTPHeaderName": value(checks.header_name, "name"),
    "ValidateHTTPHeaderValue": value(header_value, "value"),
    "ValidateHTTPRetry": part(vs.HTTPRetry, check_retries, "retries"),
    "ValidateIPAddress": value(checks.ip, "addr"),
    "ValidateIPSubnet": value(checks.cidr, "subnet"),
    "ValidateLocalityLbSetting": balanced(dr.LocalityLoadBalancerSetting, localities.locality_setting, "lb"),
    "ValidateZoneAwareLbSetting": balanced(dr.ZoneAwareLoadBalancerSetting, localities.zone_setting, "lb"),
    "ValidateMeshConfig": part(MeshConfig, whole_mesh, "mesh"),
    "ValidateMeshConfigProxyConfig": part(ProxyConfig, mesh_proxy.check_proxy, "config"),
    "ValidatePort": value(checks.port, "port"),
    "ValidatePortName": value(checks.dns_label, "name"),
    "ValidateProxyAddress": value(host_port, "hostAddr"),
    "ValidateTLS": part(dr.ClientTLSSettings, client_tls, "settings", namespace="configNamespace"),
    "ValidateTrustDomain": value(mesh_config.trust_domain, "domain"),
    "ValidateWildcardDomain": value(checks.wildcard_domain, "domain"),
    "ValidateWildcardDomainForVirtualServiceBoundToGateway": on_gateway,
    "validateCORSPolicy": part(vs.CorsPolicy, check_cors, "policy"),
    "validateConnectionPool": part(dr.ConnectionPoolSettings, connection_pool, "settings"),
    "validateConnectionSettings": part(ProxyConfig.ConnectionSettings, check_connections, "cs"),
    "validateDestination": part(vs.Destination, check_destination, "destination"),
    "validateExportTo": export_to,
    "validateHTTPDirectResponse": direct_response,
    "validateHTTPFaultInjectionAbort": part(Fault.Abort, check_abort, "abort"),
    "validateHTTPFaultInjectionDelay": part(Fault.Delay, check_delay, "delay"),
    "validateHTTPRedirect": redirect,
    "validateHTTPRewrite": part(vs.HTTPRewrite, check_rewrite, "rewrite"),
    "validateHTTPRoute": route,
    "validateHTTPStatus": value(http_route.status, "status"),
    "validateLoadBalancer": balanced(dr.LoadBalancerSettings, load_balancer, "settings"),
    "validateLocalities": value(localities.localities, "localities"),
    "validateMeshConfigDefaultInboundHTTPRetryPolicy": part(vs.HTTPRetry, check_retries, "retry"),
    "validateMeshConfigDefaultTrafficPolicy": part(MeshConfig.DefaultTrafficPolicy, mesh_config.default_traffic, "dtp"),
    "validateOutlierDetection": part(dr.OutlierDetection, outlier_detection, "outlier"),
    "validateRouteDestinations": destinations,
    "validateServer": part(gw.Server, gateway.check_server, "server"),
    "validateServerPort": server_port,
    "validateTLSOptions": part(gw.ServerTLSSettings, server_tls, "tls"),
    "validateTelemetryFilter": lambda given: value(log_filter, "expression")(given["filter"]),
    "validateTrafficPolicy": part(
        dr.TrafficPolicy, destination_rule.traffic_policy, "policy", namespace="configNamespace"
    ),
    "validateURIRegexRewrite": uri_rewrite,
}


def test_rules_of_today(vectors: Path) -> None:
    table = Table("today/validation/parts", DIFFERENT)
    warned: Counter[bool] = Counter()
    for case in lines(vectors / "today" / "validation" / "parts.jsonl"):
        check = case["check"]
        if check not in JUDGES:
            table.skip(f"{check}: {NOT_OURS.get(check, 'no rule of this name is asked here')}")
            continue
        problems = JUDGES[check](case["input"]).problems
        errors = [problem for problem in problems if problem.severity == "error"]
        said = "; ".join(f"{each.field} {each.text}" for each in errors)
        table.compare(case["id"], case["valid"], not errors, f"{case['error']} / {said}")
        if case["valid"] and "warning" in case:
            warned[bool(case["warning"]) == (len(problems) > len(errors))] += 1
    table.tell()
    print(f"  of the valid, {warned[True]} agree on whether there is a warning and {warned[False]} do not")
    assert table.ran > 300
    assert sum(table.skipped.values()) <= 0.02 * table.ran
    assert table.unexplained == []
    assert table.share >= 0.99
    # Two fields without effect in a policy of retries that Istio's MeshConfig has, and the published messages have not.
    assert warned[False] <= 2
