"""Istio 1.4's kinds of one compiled-in template or adapter each, from before `instance` and `handler`.

Their objects travel as they are written, as a Struct; the group is config.istio.io, the version v1alpha2.
"""

from __future__ import annotations

LEGACY_PREFIX = "istio/config/v1alpha2/legacy/"

# Kind -> plural, which is also the last part of the collection's name (galley/pkg/config/meta/metadata of 1.4).
LEGACY_PLURALS: dict[str, str] = {
    "apikey": "apikeys",
    "authorization": "authorizations",
    "bypass": "bypasses",
    "checknothing": "checknothings",
    "circonus": "circonuses",
    "cloudwatch": "cloudwatches",
    "denier": "deniers",
    "dogstatsd": "dogstatsds",
    "edge": "edges",
    "fluentd": "fluentds",
    "kubernetes": "kuberneteses",
    "kubernetesenv": "kubernetesenvs",
    "listchecker": "listcheckers",
    "listentry": "listentries",
    "logentry": "logentries",
    "memquota": "memquotas",
    "metric": "metrics",
    "noop": "noops",
    "opa": "opas",
    "prometheus": "prometheuses",
    "quota": "quotas",
    "rbac": "rbacs",
    "redisquota": "redisquotas",
    "reportnothing": "reportnothings",
    "signalfx": "signalfxs",
    "solarwinds": "solarwindses",
    "stackdriver": "stackdrivers",
    "statsd": "statsds",
    "stdio": "stdios",
    "tracespan": "tracespans",
    "zipkin": "zipkins",
}

LEGACY_COLLECTIONS: dict[str, str] = {LEGACY_PREFIX + plural: kind for kind, plural in LEGACY_PLURALS.items()}
"""Collection -> kind."""
