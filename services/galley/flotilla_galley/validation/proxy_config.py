"""ProxyConfig (rule PC1 of Istio's validation)."""

from __future__ import annotations

from flotilla_galley.validation.checks import Report
from flotilla_galley.validation.policy_targets import workload_selector
from flotilla_protos.istio.networking.v1beta1.proxy_config_pb2 import ProxyConfig


def validate(spec: ProxyConfig, report: Report, namespace: str) -> None:
    workload_selector(spec, report)
    if spec.concurrency.value < 0:
        report.at("concurrency").wrong(f"{spec.concurrency.value} is negative; 0 takes all cores")
