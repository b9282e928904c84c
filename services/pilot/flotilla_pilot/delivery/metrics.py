"""Pilot's delivery metrics, under Istio's names (pilot.md 1.4)."""

from flotilla_pilot.compile.resource import BOOTSTRAP, CLUSTER, ENDPOINTS, LISTENER, ROUTES
from flotilla_shared.runtime.metrics import ServiceMetrics

SHORT = {CLUSTER: "cds", ENDPOINTS: "eds", LISTENER: "lds", ROUTES: "rds", BOOTSTRAP: "bds"}
CONVERGENCE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 20, 30)


class DeliveryMetrics:
    """Counts what delivery does. Node ids are in no label: there may be thousands."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        counter, gauge, histogram = metrics.counter, metrics.gauge, metrics.histogram
        self.connected = gauge("pilot_xds", "Proxies connected by xDS")
        self.pushes = counter("pilot_xds_pushes", "Responses sent, by type, and failures to build or send", ["type"])
        self.rejects = {
            type_url: counter(f"pilot_xds_{short}_reject", f"Responses of {short} that a proxy rejected")
            for type_url, short in SHORT.items()
        }
        self.total_rejects = counter("pilot_total_xds_rejects", "Responses that a proxy rejected", ["type"])
        self.expired = counter("pilot_xds_expired_nonce", "Answers to a response that was not the last", ["type"])
        self.write_timeouts = counter("pilot_xds_write_timeout", "Streams closed since the proxy did not read")
        self.internal_errors = counter("pilot_total_xds_internal_errors", "Compilations and builds that failed")
        self.left_out = counter("pilot_objects_left_out", "Objects that could not be compiled and were left out")
        self.refused = counter("pilot_xds_refused_streams", "Streams refused, by status code", ["code"])
        self.size = histogram(
            "pilot_xds_config_size_bytes",
            "Bytes of one response",
            ["type"],
            buckets=(1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000),
        )
        self.queue_time = histogram(
            "pilot_proxy_queue_time",
            "Seconds from when a proxy is to be brought up to date until it is compiled for",
            buckets=CONVERGENCE_BUCKETS,
        )
        self.convergence = histogram(
            "pilot_proxy_convergence_time",
            "Seconds from a change of configuration to the last response for it to a proxy",
            buckets=CONVERGENCE_BUCKETS,
        )
