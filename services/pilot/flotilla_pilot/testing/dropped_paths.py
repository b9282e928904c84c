"""What is not compared between Istio's resources and Pilot's: the whole list, each path with its reason.

A pattern with `=` is a value that means the same as if nothing stood there; any other value is compared.
"""

from collections.abc import Mapping

_OWN_FILTER = "a filter of Istio's own Envoy, which stock Envoy has not"
_ALPN = "says what a connection carries, which Istio's filter `alpn`, a filter of its own Envoy, says for each request"
_METADATA = "says for readers which objects it was made from; Envoy does nothing by it"
_DEFAULT = "Envoy's default, written out"

DROPPED: Mapping[str, str] = {
    "listeners.**.filters[metadata_exchange]": _OWN_FILTER,
    "listeners.**.httpFilters[metadata_exchange]": _OWN_FILTER,
    "clusters.filters[metadata_exchange]": _OWN_FILTER,
    "listeners.**.filters[stats]": _OWN_FILTER,
    "listeners.**.httpFilters[stats]": _OWN_FILTER,
    "listeners.**.httpFilters[alpn]": _OWN_FILTER,
    'clusters.**.alpnProtocols="istio-http/1.1"': _ALPN,
    'clusters.**.alpnProtocols="istio-h2"': _ALPN,
    'clusters.**.alpnProtocols="http/1.1"': _ALPN,
    "listeners.defaultFilterChain.filters[set_filter_state]": _ALPN,
    '**.alpnProtocols="istio-peer-exchange"': "offered for the filter metadata_exchange alone",
    "**.dnsCacheConfig.name": "a name by which a filter and a cluster find each other, and nobody else",
    "**.metadata.filterMetadata.istio.config": _METADATA,
    "clusters.metadata.filterMetadata.istio.services": _METADATA,
    "listeners.**.earlyHeaderMutationExtensions": "Mixer's: headers by which a client claims to be of the mesh go away",
    "listeners.filterChains.filterChainMatch={}": "a match of nothing is no match",
    "listeners.defaultFilterChain.filterChainMatch={}": "a match of nothing is no match",
    '**.requestIdExtension.typedConfig.@type="type.googleapis.com/envoy.extensions.request_id.uuid.v3.'
    'UuidRequestIdConfig"': _DEFAULT,
    "**.requestIdExtension.typedConfig.useRequestIdForTraceSampling=true": _DEFAULT,
    '**.pathWithEscapedSlashesAction="KEEP_UNCHANGED"': _DEFAULT,
    'endpoints.endpoints.lbEndpoints.healthStatus="HEALTHY"': _DEFAULT,
    "**.dnsCacheConfig.maxHosts=1024": _DEFAULT,
}
