"""Services and workloads that are written down: ServiceEntry, WorkloadEntry, WorkloadGroup."""

from __future__ import annotations

from helm.generate.rules.policies import LABELS
from helm.generate.rules.terms import (
    LABEL,
    NAME,
    NOT_NEGATIVE,
    PORT,
    PORT_OR_NONE,
    SOME,
    Table,
    both,
    each,
    given,
    needs,
    rule,
    values,
)

_NET = "istio.networking.v1alpha3"
_RESOLUTION = "(has(self.resolution) ? self.resolution : 'NONE')"
_ADDRESS = both(
    rule("!self.startsWith('unix://') || self.matches('^unix://[/@].')", "a socket's path begins with a slash, or @"),
    rule(
        "!self.startsWith('unix://') || !self.endsWith('/')", "a socket is no folder: its path has no slash at the end"
    ),
    {"maxLength": 256},
)
_REACHED = rule("has(self.address) || has(self.network)", "address is missing; say where the workload is reached")
_PROBES = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")

ENTRIES: Table = {
    f"{_NET}.WorkloadSelector": {"labels": LABELS},
    f"{_NET}.ServiceEntry": {
        "": both(
            needs("hosts"),
            rule(
                f"!(has(self.workloadSelector) && {given('endpoints')})",
                "workloadSelector and endpoints exclude each other",
            ),
            rule(
                f"{_RESOLUTION} in ['NONE', 'STATIC'] || !has(self.addresses) || self.addresses.all(address,"
                " !address.contains('/') || address.endsWith('/32') || address.endsWith('/128'))",
                "addresses of networks are possible with resolution NONE and STATIC only",
            ),
            rule(
                f"{_RESOLUTION} != 'NONE' || !{given('endpoints')}",
                "resolution NONE has no endpoints; use STATIC or DNS",
            ),
            rule(
                f"{_RESOLUTION} != 'DNS_ROUND_ROBIN' || !has(self.endpoints) || size(self.endpoints) <= 1",
                "resolution DNS_ROUND_ROBIN has one endpoint at most",
            ),
        ),
        "hosts": each(rule("self != '*'", "a star alone is no host of a service"), minItems=1, maxItems=256),
        "addresses": each({"maxLength": 64}, maxItems=256),
        "ports": both(
            {"maxItems": 256},
            rule(
                "self.all(one, self.exists_one(other, one.number == other.number))",
                "a port's number is there once only",
            ),
            rule("self.all(one, self.exists_one(other, one.name == other.name))", "a port's name is there once only"),
        ),
        "endpoints": each(_REACHED, maxItems=4096),
    },
    f"{_NET}.ServicePort": {"": needs("number", "name"), "number": PORT, "name": NAME, "targetPort": PORT_OR_NONE},
    f"{_NET}.WorkloadEntry": {
        "": rule(
            f"!(has(self.address) && self.address.startsWith('unix://') && {given('ports')})", "a socket has no ports"
        ),
        "address": _ADDRESS,
        "ports": both(
            rule(
                f"self.all(key, size(key) <= 63 && key.matches('{LABEL}'))",
                "a port's name is letters, digits and inner dashes",
            ),
            values(PORT, maxProperties=128),
        ),
    },
    f"{_NET}.WorkloadGroup": {"": needs("template")},
    f"{_NET}.ReadinessProbe": {
        "": rule(
            "has(self.httpGet) || has(self.tcpSocket) || has(self.exec) || has(self.grpc)",
            "it asks nothing; say httpGet, tcpSocket, exec or grpc",
        ),
        **dict.fromkeys(_PROBES, NOT_NEGATIVE),
    },
    f"{_NET}.HTTPHealthCheckConfig": {"": needs("port"), "port": PORT, "scheme": {"enum": ["", "HTTP", "HTTPS"]}},
    f"{_NET}.HTTPHeader": {"": needs("name"), "name": {"pattern": "^[-A-Za-z0-9]+$"}},
    f"{_NET}.TCPHealthCheckConfig": {"": needs("port"), "port": PORT},
    f"{_NET}.GrpcHealthCheckConfig": {"": needs("port"), "port": PORT},
    f"{_NET}.ExecHealthCheckConfig": {"": needs("command"), "command": SOME},
}
# What is said of a WorkloadEntry alone: the template of a group has no address.
WORKLOAD_ENTRY = _REACHED
