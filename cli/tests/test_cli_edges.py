"""Edges out of Prometheus' text format."""

from __future__ import annotations

from collections import Counter

from flotilla_cli.edges import Edge, edges

LABELS = {
    "reporter": "source",
    "source_workload": "a-v1",
    "destination_workload": "b-v1",
    "destination_service_name": "b",
    "source_principal": "p",
    "destination_principal": "q",
    "request_protocol": "http",
    "response_code": "200",
    "response_flags": "-",
    "further": "x",
}
EDGE = Edge("source", "a-v1", "b-v1", "b", "p", "q", "http", 200, "-")


def line(metric: str, value: float, **changes: str | None) -> str:
    labels = ",".join(f'{name}="{text}"' for name, text in (LABELS | changes).items() if text is not None)
    return f"{metric}{{{labels}}} {value}\n"


def test_requests_by_edge():
    page = (
        "# TYPE istio_requests_total counter\n"
        + line("istio_requests_total", 3)
        + line("istio_requests_total", 1, response_code="503", response_flags="UF")
    )
    assert edges(page) == Counter({EDGE: 3, EDGE._replace(code=503, flags="UF"): 1})


def test_edges_that_differ_in_other_labels_are_one():
    page = "# TYPE istio_requests_total counter\n"
    page += line("istio_requests_total", 3) + line("istio_requests_total", 4, further="y")
    assert edges(page) == Counter({EDGE: 7})


def test_another_metric_without_a_code():
    page = "# TYPE istio_tcp_sent_bytes_total counter\n"
    page += line("istio_tcp_sent_bytes_total", 10, request_protocol=None, response_code=None)
    assert edges(page) == Counter()
    assert edges(page, "istio_tcp_sent_bytes_total") == Counter({EDGE._replace(protocol="tcp", code=0): 10})


def test_an_empty_page():
    assert edges("") == Counter()
