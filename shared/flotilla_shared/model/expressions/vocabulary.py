"""The attributes of every mesh: what the manifests `istioproxy` and `kubernetes` of Istio 1.4 declare, and two more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flotilla_shared.model.expressions.values import ValueType

_PROXY = {
    ValueType.STRING: """
        origin.uid origin.user request.id request.host request.method request.path request.url_path request.reason
        request.referer request.scheme request.useragent request.api_key request.auth.principal
        request.auth.audiences request.auth.presenter request.auth.raw_claims response.grpc_status
        response.grpc_message source.uid source.user source.principal destination.uid destination.principal
        connection.event connection.id connection.requested_server_name context.protocol context.proxy_error_code
        context.proxy_version context.reporter.kind context.reporter.uid api.service api.version api.operation
        api.protocol rbac.permissive.response_code rbac.permissive.effective_policy_id check.error_message""",
    ValueType.STRING_MAP: "request.headers request.query_params request.auth.claims response.headers",
    ValueType.INT64: """
        request.size request.total_size response.size response.total_size response.code destination.port
        connection.received.bytes connection.received.bytes_total connection.sent.bytes connection.sent.bytes_total
        check.error_code""",
    ValueType.TIMESTAMP: "request.time response.time context.time context.timestamp",
    ValueType.DURATION: "response.duration connection.duration",
    ValueType.BOOL: "connection.mtls context.reporter.local check.cache_hit quota.cache_hit",
    ValueType.IP_ADDRESS: "origin.ip",
}
_WORKLOADS = {
    ValueType.IP_ADDRESS: "source.ip destination.ip",
    ValueType.STRING_MAP: "source.labels source.metadata destination.labels destination.metadata",
    ValueType.STRING: """
        source.name source.namespace source.owner source.serviceAccount source.services source.workload.uid
        source.workload.name source.workload.namespace destination.name destination.namespace destination.owner
        destination.container.name destination.serviceAccount destination.service.uid destination.service.name
        destination.service.namespace destination.service.host destination.workload.uid destination.workload.name
        destination.workload.namespace""",
}
# Flotilla's own: what a proxy's rate limit filter asks about (docs/how-to/quotas.md).
_RATE_LIMITS = {ValueType.STRING: "ratelimit.domain", ValueType.STRING_MAP: "ratelimit.descriptor"}

VOCABULARY: Mapping[str, ValueType] = MappingProxyType(
    {
        name: kind
        for manifest in (_PROXY, _WORKLOADS, _RATE_LIMITS)
        for kind, names in manifest.items()
        for name in names.split()
    }
)
