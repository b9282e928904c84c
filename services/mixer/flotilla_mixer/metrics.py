"""Mixer's own metrics, on /metrics of port 15014."""

from __future__ import annotations

from importlib.metadata import version

from flotilla_mixer.attributes.trust import Disbelief
from flotilla_mixer.kit.counters import HandlerCounters
from flotilla_mixer.servers.check_counts import CheckCounts
from flotilla_mixer.servers.rpc_counts import RpcCounts
from flotilla_mixer.status.counts import ConfigurationCounts
from flotilla_shared.runtime.metrics import ServiceMetrics


class MixerMetrics:
    """What Mixer does. What it reports of the mesh is on the prometheus handler's page instead."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.checks = CheckCounts()
        metrics.register(self.checks)
        self.entries = metrics.counter("mixer_report_entries_total", "Log entries taken from proxies", ["kind"])
        self.refused_entries = metrics.counter(
            "mixer_report_entries_refused_total", "Log entries of reporters that are not believed"
        )
        self.throttled = metrics.counter(
            "mixer_loadshedding_requests_throttled", "Calls and messages of log streams that were shed"
        )
        self.shed_cost = metrics.counter(
            "mixer_loadshedding_predicted_cost_shed_total",
            "What was shed: 1 for a Check, and for a report the number of its entries",
        )
        self.shed_entries = metrics.counter(
            "mixer_report_entries_shed_total", "Entries of reports that were dropped for want of time", ["cause"]
        )
        self.wait = metrics.gauge("mixer_call_wait_seconds", "How long the last call had waited when it was seen")
        self.streams = metrics.gauge("mixer_report_streams", "Log streams of proxies that are open")
        self.rate_limits = metrics.counter(
            "mixer_rate_limits_total", "Calls of rate limit filters that were answered", ["code"]
        )
        self.disbelieved = metrics.counter(
            "mixer_claims_dropped_total", "What callers claimed and was not believed", ["claim"]
        )
        self.match_errors = metrics.counter("mixer_match_errors_total", "Conditions that could not be judged")
        self.instance_errors = metrics.counter(
            "mixer_instance_errors_total", "Instances that could not be made of a bag", ["instance"]
        )
        self.handler_errors = metrics.counter("mixer_handler_errors_total", "Calls that a handler failed", ["handler"])
        self.handlers = HandlerCounters(metrics)
        build = metrics.gauge("istio_build", "1, with the release of this Mixer", ["component", "tag"])
        build.labels("mixer", version("flotilla-mesh-mixer")).set(1)
        self.configuration = ConfigurationCounts(metrics)
        self.rpcs = RpcCounts()
        metrics.register(self.rpcs, [RpcCounts.completed])
        self.configurations = metrics.counter("mixer_configurations_total", "Configurations put to work")
        self.rules = metrics.gauge("mixer_config_rules", "Rules in the configuration")
        self.problems = metrics.gauge("mixer_config_problems", "Problems of objects that only Mixer sees")
        self.workloads = metrics.gauge("mixer_workloads", "Workloads that can be recognised")
        self.connections = metrics.gauge("mixer_tcp_connections", "TCP connections that proxies report on")
        self.series = metrics.gauge("mixer_prometheus_series", "Label sets on the prometheus handlers' page")
        self.series_dropped = metrics.counter(
            "mixer_prometheus_values_dropped_total", "Values of label sets over the limit, by metric", ["metric"]
        )
        self.galley_connected = metrics.gauge(
            "mixer_configuration_source_connected", "1 while the stream to Galley is open"
        )
        for claim in Disbelief:
            self.disbelieved.labels(claim)

    def checked(self, code: str, seconds: float) -> None:
        """Count a Check that was answered, with the name of its code, so long after it came."""
        self.checks.add(code, seconds)

    def disbelieve(self, claim: Disbelief) -> None:
        """Count a claim that was dropped."""
        self.disbelieved.labels(claim).inc()
