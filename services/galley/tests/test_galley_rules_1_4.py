"""Where Istio 1.4's rules are others than today's: what each rule set tells of one object."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from flotilla_galley.offline.judge import judge
from flotilla_galley.validation.validate import RuleSet

GROUPS = {"AuthorizationPolicy": "security.istio.io/v1", "EnvoyFilter": "networking.istio.io/v1alpha3"}
B = "{destination: {host: b}}"
R = f"route: [{B}]"
E = "egress: [{hosts: ['*/*']}]"
P = "port: {number: 80, name: h, protocol: HTTP}"
S = "hosts: [a.b], ports: [{number: 80, name: h, protocol: HTTP}]"
PATCH = "configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {name: a}}}]"
LUA = "{'@type': type.googleapis.com/envoy.config.filter.http.lua.v2.Lua, inlineCode: x}"

# Kind, spec, fields with an error by 1.4's rules, and by today's. "..." stands for what the line before has there.
DIFFERENCES: list[tuple[str, str, list[str], list[str]]] = [
    # VirtualService
    ("VirtualService", "{http: [{%s}]}" % R, ["spec.hosts"], []),
    ("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: b}, weight: 60}, {destination: {host: c}, weight: 60}]}]}", ["spec.http[0].route"], []),
    ("VirtualService", "{hosts: [a], tcp: [{route: [{destination: {host: b}, weight: 101}]}]}", ["spec.tcp[0].route[0].weight"], []),
    ("VirtualService", "{hosts: [a], http: [{directResponse: {status: 200}}]}", ["spec.http[0]"], []),
    ("VirtualService", "{hosts: [a], http: [{delegate: {name: d}}]}", ["spec.http[0]"], []),
    ("VirtualService", "{hosts: [a], http: [{redirect: {uri: /}, websocketUpgrade: true}]}", ["spec.http[0].websocketUpgrade"], []),
    ("VirtualService", "{hosts: [a], http: [{redirect: {scheme: https}}]}", ["spec.http[0].redirect"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, rewrite: {uriRegexRewrite: {match: a, rewrite: b}}}]}" % R, ["spec.http[0].rewrite"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, retries: {attempts: 1, retryOn: reset-before-request}}]}" % R, ["spec.http[0].retries.retryOn"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, fault: {abort: {grpcStatus: UNAVAILABLE}}}]}" % R, ["spec.http[0].fault.abort.grpcStatus"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, fault: {abort: {httpStatus: 500, percent: 101}}}]}" % R, ["spec.http[0].fault.abort.percent"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, fault: {delay: {}}}]}" % R, [], ["spec.http[0].fault.delay"]),
    ("VirtualService", "{hosts: [a], http: [{%s, corsPolicy: {allowMethods: ['*']}}]}" % R, ["spec.http[0].corsPolicy.allowMethods[0]"], []),
    ("VirtualService", "{hosts: [a], http: [{%s, headers: {request: {set: {'a b': '%%'}}}}]}" % R, [], ["spec.http[0].headers.request.set.a b"] * 2),
    ("VirtualService", "{hosts: [a], http: [{%s, appendHeaders: {'': x}}]}" % R, ["spec.http[0].appendHeaders"], []),
    ("VirtualService", "{hosts: [a], http: [{match: [{uri: {regex: '('}}], %s}]}" % R, [], ["spec.http[0].match[0].uri.regex"]),
    ("VirtualService", "{hosts: [a], http: [{match: [{}, null], %s}]}" % R, [], ["spec.http[0].match[1]"]),
    ("VirtualService", "{hosts: [a.b], http: [{%s}], tls: [null], tcp: [null]}" % R, [], ["spec.tcp[0]", "spec.tls[0]"]),
    ("VirtualService", "{hosts: [a], http: [null]}", ["spec.http[0]"], ["spec.http[0]"]),
    ("VirtualService", "{hosts: [a], http: [{match: [{queryParams: {a: null}, headers: {b: null}}], %s}]}" % R, ["spec.http[0].match[0].headers.b"], [f"spec.http[0].match[0].{field}" for field in ("headers.b", "queryParams.a")]),
    ("VirtualService", "{hosts: [a], http: [{route: [{destination: {host: b, port: {number: 0}}}]}]}", [], ["spec.http[0].route[0].destination.port.number"]),
    ("VirtualService", "{hosts: [a], tcp: [{match: [{destinationSubnets: ['::1/64']}], %s}]}" % R, ["spec.tcp[0].match[0].destinationSubnets[0]"], []),
    ("VirtualService", "{hosts: [a], tcp: [{match: [{sourceSubnet: x}], %s}]}" % R, ["spec.tcp[0].match[0].sourceSubnet"], []),
    ("VirtualService", "{hosts: [a], http: [{%s}], exportTo: [a, b]}" % R, ["spec.exportTo"], []),
    ("VirtualService", "{hosts: [a], http: [{%s}], exportTo: [other]}" % R, ["spec.exportTo[0]"], []),
    # DestinationRule
    ("DestinationRule", "{host: a, trafficPolicy: {tunnel: {protocol: CONNECT, targetHost: b, targetPort: 80}}}", ["spec.trafficPolicy"], []),
    ("DestinationRule", "{host: a, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}", ["spec.trafficPolicy.loadBalancer.simple"], []),
    ("DestinationRule", "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: c}}}}}", ["spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.ttl"], []),
    ("DestinationRule", "{host: a, trafficPolicy: {outlierDetection: {consecutiveErrors: -1}}}", ["spec.trafficPolicy.outlierDetection.consecutiveErrors"], []),
    ("DestinationRule", "{host: a, trafficPolicy: {connectionPool: {tcp: {tcpKeepalive: {time: 1us}}}}}", [], ["spec.trafficPolicy.connectionPool.tcp.tcpKeepalive.time"]),
    ("DestinationRule", "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 70000}, tls: {}}]}}", [], ["spec.trafficPolicy.portLevelSettings[0].port.number"]),
    ("DestinationRule", "{host: a, trafficPolicy: {tls: {mode: MUTUAL, credentialName: c}}}", ["spec.trafficPolicy.tls.clientCertificate", "spec.trafficPolicy.tls.privateKey"], []),
    ("DestinationRule", "{host: a, subsets: [{name: v}, {name: v}]}", [], ["spec.subsets[1].name"]),
    # Gateway
    ("Gateway", "{servers: [{port: {name: h, protocol: HTTP}, hosts: ['*']}]}", [], ["spec.servers[0].port.number"]),
    ("Gateway", "{servers: [{%s, hosts: ['*a.b']}]}" % P, [], ["spec.servers[0].hosts[0]"]),
    ("Gateway", "{servers: [{%s, hosts: ['*'], bind: x}]}" % P, [], ["spec.servers[0].bind"]),
    ("Gateway", "{servers: [{port: {number: 443, name: h, protocol: TLS}, hosts: ['*'], tls: {mode: OPTIONAL_MUTUAL, credentialName: c}}]}", ["spec.servers[0].tls.mode"], []),
    ("Gateway", "{servers: [{port: {number: 443, name: h, protocol: TLS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: c, privateKey: k}}]}", [], ["spec.servers[0].tls"]),
    # ServiceEntry
    ("ServiceEntry", "{%s, resolution: STATIC}" % S, ["spec.endpoints"], []),
    ("ServiceEntry", "{%s, resolution: DNS_ROUND_ROBIN}" % S, ["spec.resolution"], []),
    ("ServiceEntry", "{%s, resolution: 9}" % S, ["spec.resolution"], ["spec.resolution"]),
    ("ServiceEntry", "{%s, addresses: ['::1']}" % S, ["spec.addresses[0]"], []),
    ("ServiceEntry", "{%s, resolution: STATIC, endpoints: [{address: 1.1.1.1, ports: {h: 0}}]}" % S, [], ["spec.endpoints[0].ports.h"]),
    ("ServiceEntry", "{%s, resolution: STATIC, endpoints: [{network: n}]}" % S, ["spec.endpoints[0].address"], []),
    ("ServiceEntry", "{hosts: [a.b], ports: [{number: 80, name: h, protocol: HTTP_PROXY}]}", ["spec.ports[0].protocol"], []),
    ("ServiceEntry", "{%s, exportTo: ['~']}" % S, ["spec.exportTo[0]"], []),
    # Sidecar
    ("Sidecar", "{outboundTrafficPolicy: {mode: ALLOW_ANY}}", ["spec.egress"], []),
    ("Sidecar", "{%s, ingress: [{%s}]}" % (E, P), ["spec.ingress[0].defaultEndpoint"], []),
    ("Sidecar", "{%s, ingress: [{%s, defaultEndpoint: '0.0.0.0:80'}]}" % (E, P), ["spec.ingress[0].defaultEndpoint"], []),
    ("Sidecar", "{%s, ingress: [{%s, defaultEndpoint: ':80'}]}" % (E, P), [], ["spec.ingress[0].defaultEndpoint"]),
    ("Sidecar", "{%s, workloadSelector: {}}" % E, ["spec.workloadSelector.labels"], []),
    ("Sidecar", "{%s, workloadSelector: {labels: {}}}" % E, [], []),
    ("Sidecar", "{egress: [{hosts: ['~a/*']}]}", ["spec.egress[0].hosts[0]"], []),
    ("Sidecar", "{egress: [{%s, bind: 1.1.1.1, hosts: ['*/*']}, {%s, bind: 2.2.2.2, hosts: ['*/*']}]}" % (P, P), ["spec.egress[1].port"], []),
    ("Sidecar", "{egress: [{port: {name: h}, bind: 1.1.1.1, hosts: ['*/*']}]}", ["spec.egress[0].port.number"], ["spec.egress[0].port.number"]),
    ("Sidecar", "{egress: [{port: {name: h}, bind: 'unix:///a', captureMode: IPTABLES, hosts: ['*/*']}]}", ["spec.egress[0].captureMode"], ["spec.egress[0].captureMode"]),
    # EnvoyFilter
    ("EnvoyFilter", "{%s, workloadSelector: {}}" % PATCH, ["spec.workloadSelector.labels"], []),
    ("EnvoyFilter", "{filters: [{}]}", ["spec.filters[0].filterType", "spec.filters[0].filterName", "spec.filters[0].filterConfig"], []),
    ("EnvoyFilter", "{filters: [{insertPosition: {index: BEFORE}, filterType: HTTP, filterName: a, filterConfig: {}}]}", ["spec.filters[0].insertPosition.relativeTo"], []),
    ("EnvoyFilter", "{configPatches: [{applyTo: HTTP_FILTER, patch: {operation: MERGE, value: {config: [1]}}}]}", ["spec.configPatches[0].patch.value"], []),
    ("EnvoyFilter", "{configPatches: [{applyTo: HTTP_FILTER, patch: {operation: MERGE, value: {typed_config: %s}}}]}" % LUA, [], ["spec.configPatches[0].patch.value"]),
    ("EnvoyFilter", "{configPatches: [{applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {}}}]}", ["spec.configPatches[0].applyTo"], []),
    ("EnvoyFilter", "{configPatches: [{applyTo: CLUSTER, patch: {operation: MERGE, value: {name: []}}}]}", ["spec.configPatches[0].patch.value"], ["spec.configPatches[0].patch.value"]),
    # AuthorizationPolicy
    ("AuthorizationPolicy", "{action: DENY}", [], ["spec.rules"]),
    ("AuthorizationPolicy", "{rules: [{from: [{source: {ipBlocks: [x]}}], to: [{}, null]}]}", [], ["spec.rules[0].to[1]"]),
    ("AuthorizationPolicy", "{rules: [{when: [{key: source.user, values: [a]}]}]}", [], ["spec.rules[0].when[0].key"]),
    ("AuthorizationPolicy", "{rules: [{when: [{key: remote.ip, values: [1.1.1.1]}]}]}", ["spec.rules[0].when[0].key"], []),
    ("AuthorizationPolicy", "{rules: [{when: [{key: source.ip, notValues: [1.1.1.1]}]}]}", ["spec.rules[0].when[0].values"], []),
    ("AuthorizationPolicy", "{rules: [{when: [{key: 'request.headers[]', values: [a]}, {values: [a]}]}]}", ["spec.rules[0].when[0].key", "spec.rules[0].when[1].key"], ["spec.rules[0].when[0].key", "spec.rules[0].when[1].key"]),
    ("AuthorizationPolicy", "{selector: {matchLabels: {a: ''}}}", ["spec.selector.matchLabels.a"], []),
]  # fmt: skip


def errors(kind: str, spec: str, ruleset: RuleSet, **top: Any) -> list[str]:
    written = {"apiVersion": GROUPS.get(kind, "networking.istio.io/v1"), "kind": kind, "metadata": {"name": "a"}}
    (judged,) = judge("case", yaml.safe_dump(written | {"spec": yaml.safe_load(spec)} | top), ruleset)
    assert all(error.message for error in judged.errors)
    return [error.field for error in judged.errors]


@pytest.mark.parametrize(("kind", "spec", "of_1_4", "of_today"), DIFFERENCES)
def test_what_the_two_rule_sets_tell(kind: str, spec: str, of_1_4: list[str], of_today: list[str]) -> None:
    assert (errors(kind, spec, "1.4"), errors(kind, spec, "today")) == (of_1_4, of_today)


def test_later_fields_are_told_and_passed_over() -> None:
    text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n"
    (judged,) = judge("case", text + "  http: [{%s, mirrorPercentage: much}]\n" % R, "1.4")
    assert judged.valid
    assert [(each.field, each.line) for each in judged.warnings] == [("spec.http[0].mirrorPercentage", 6)]
    assert "Istio 1.4 has no field 'mirrorPercentage'" in judged.warnings[0].message


def test_a_kind_that_came_later_is_judged_by_todays_rules() -> None:
    (judged,) = judge(
        "case", "apiVersion: a/b\nkind: WorkloadEntry\nmetadata: {name: a}\nspec: {address: '*'}\n", "1.4"
    )
    assert [each.field for each in judged.errors] == ["spec.address"]
    assert [(each.code, each.field, each.line) for each in judged.warnings] == [("unknown-kind", "kind", 2)]


def test_numbers_that_stand_for_no_word_are_taken_by_1_4_alone() -> None:
    spec = "{%s, ingress: [{%s, captureMode: 9, defaultEndpoint: '127.0.0.1:1'}]}" % (E, P)
    assert errors("Sidecar", spec, "1.4") == []
    assert errors("Sidecar", spec, "today") == ["spec.ingress[0].captureMode"]


def test_what_stands_beside_spec() -> None:
    """1.4 knows kinds by their name alone, and refuses other fields at the top of Pilot's kinds."""
    spec = "{hosts: [a], http: [{%s}]}" % R
    assert errors("VirtualService", spec, "1.4", apiVersion="other/v7") == []
    assert errors("VirtualService", spec, "today", apiVersion="other/v7") == ["apiVersion"]
    assert errors("VirtualService", spec, "1.4", other=1) == ["other"]
    assert errors("rule", "{actions: [{handler: h, instances: [i]}]}", "1.4", other=1) == []


def test_annotations_of_today_mean_nothing_to_1_4() -> None:
    named = {"name": "a", "annotations": {"istio.io/dry-run": "true"}}
    assert errors("Sidecar", "{%s}" % E, "1.4", metadata=named) == []
    assert errors("Sidecar", "{%s}" % E, "today", metadata=named) != []
