"""Mixer's own metrics, on /metrics of port 15014."""

from __future__ import annotations

from flotilla_mixer.attributes.trust import Disbelief
from flotilla_shared.runtime.metrics import ServiceMetrics


class MixerMetrics:
    """What Mixer does. What it reports of the mesh is on the prometheus handler's page instead."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.checks = metrics.counter("mixer_checks_total", "Checks answered", ["code"])
        self.check_seconds = metrics.histogram(
            "mixer_check_seconds",
            "Time from the arrival of a Check to its answer",
            buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1.0),
        )
        self.entries = metrics.counter("mixer_report_entries_total", "Log entries taken from proxies", ["kind"])
        self.refused_entries = metrics.counter(
            "mixer_report_entries_refused_total", "Log entries of reporters that are not believed"
        )
        self.streams = metrics.gauge("mixer_report_streams", "Log streams of proxies that are open")
        self.disbelieved = metrics.counter(
            "mixer_claims_dropped_total", "What callers claimed and was not believed", ["claim"]
        )
        self.match_errors = metrics.counter("mixer_match_errors_total", "Conditions that could not be judged")
        self.instance_errors = metrics.counter(
            "mixer_instance_errors_total", "Instances that could not be made of a bag", ["instance"]
        )
        self.handler_errors = metrics.counter("mixer_handler_errors_total", "Calls that a handler failed", ["handler"])
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

    def disbelieve(self, claim: Disbelief) -> None:
        """Count a claim that was dropped."""
        self.disbelieved.labels(claim).inc()
