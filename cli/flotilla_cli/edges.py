"""Who called whom how often, out of what Mixer's prometheus handler shows."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

REQUESTS = "istio_requests_total"


class Edge(NamedTuple):
    """Calls from one workload to another, as one of the two sidecars (`reporter`) tells of them.

    Workloads are named with their version (`reviews-v2`); `code` is 0 for what is no HTTP.
    """

    reporter: str
    source: str
    destination: str
    service: str
    source_principal: str
    destination_principal: str
    protocol: str
    code: int
    flags: str


def edges(page: str, metric: str = REQUESTS) -> Counter[Edge]:
    """The counts of a metric of the page, which is in Prometheus' text format, by edge."""
    from prometheus_client.parser import text_string_to_metric_families

    found: Counter[Edge] = Counter()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == metric:
                found[_edge(sample.labels)] += int(sample.value)
    return found


def _edge(labels: dict[str, str]) -> Edge:
    return Edge(
        labels["reporter"],
        labels["source_workload"],
        labels["destination_workload"],
        labels["destination_service_name"],
        labels["source_principal"],
        labels["destination_principal"],
        labels.get("request_protocol", "tcp"),
        int(labels.get("response_code", "0")),
        labels["response_flags"],
    )
