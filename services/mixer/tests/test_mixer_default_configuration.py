"""What the chart of Istio 1.4 installs, in a whole Mixer: no problem anywhere, and on the page the label sets of 1.4."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flotilla_mixer.debug.topics import debug_topics
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.testing.native import NativeClient
from flotilla_mixer.testing.running import Running

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
DEFAULT = VECTORS / "fixtures" / "mixer-config" / "default.yaml"
CLIENT = NativeClient(222)
pytestmark = pytest.mark.skipif(not DEFAULT.exists(), reason=f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")


@pytest.fixture
async def installed(running: Running) -> Running:
    await running.put(DEFAULT.read_text())
    return running


def typical(kind: str, **different: object) -> dict[str, object]:
    given = json.loads((VECTORS / "fixtures" / "typical_attributes.json").read_text())[kind]
    found = {name: value_of(each) for name, each in given.items()}
    return found | {name.replace("__", "."): value for name, value in different.items()}


async def report(running: Running, *bags: dict[str, object]) -> str:
    """Report over the native API, and read the page."""
    assert running.mixer.plaintext is not None
    assert running.mixer.prometheus_page is not None
    async with grpc.aio.insecure_channel(f"127.0.0.1:{running.mixer.plaintext.bound_port}") as channel:
        await CLIENT.report(channel, CLIENT.report_request(bags))
    return await running.page(running.mixer.prometheus_page.ports[0])


def declared() -> dict[str, set[str]]:
    """Metric -> labels, of the handler that the chart installs."""
    for document in yaml.safe_load_all(DEFAULT.read_text()):
        if document and (document["kind"], document["metadata"]["name"]) == ("handler", "prometheus"):
            metrics: list[dict[str, Any]] = document["spec"]["params"]["metrics"]
            return {f"istio_{each['name']}": set(each["label_names"]) for each in metrics}
    raise AssertionError("the handler is not there")


def shown(page: str) -> dict[str, set[str]]:
    """Metric -> labels, of the page."""
    found = {}
    for family in text_string_to_metric_families(page):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        (labels,) = {frozenset(sample.labels.keys() - {"le"}) for sample in family.samples}
        found[name] = set(labels)
    return found


async def test_nothing_is_wrong_with_it(installed: Running) -> None:
    assert dict(installed.mixer.swap.problems) == {}
    async with asyncio.timeout(10):
        await installed.galley.reported.wait()
    states = {(each.collection, each.name): each.accepted for each in installed.galley.reports[-1].objects}
    assert len(states) == sum(1 for each in yaml.safe_load_all(DEFAULT.read_text()) if each)
    assert all(states.values())
    config: Any = debug_topics(installed.mixer.swap, {}, installed.mixer.trace)["config"]()
    assert config["problems"] == []
    assert {each["adapter"] for each in config["handlers"]} == {"prometheus", "kubernetesenv"}


async def test_its_metrics_have_exactly_the_labels_of_14(installed: Running) -> None:
    opened = typical("tcp", connection__event="open")
    closed = typical("tcp", connection__event="close")
    page = await report(installed, typical("http"), opened, closed)
    assert shown(page) == declared()
    assert len(declared()) == 8


async def test_calls_bytes_and_connections_are_told_apart(installed: Running) -> None:
    page = await report(
        installed,
        typical("http"),
        typical("http", context__reporter__kind="outbound"),
        typical("http", request__useragent="kube-probe/1.15"),  # not counted
        typical("tcp", connection__event="open", connection__sent__bytes=7),
        typical("tcp", connection__event="continue", connection__sent__bytes=5),
    )
    counted = {
        (sample.name, sample.labels["reporter"]): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.endswith("_total") or sample.name.endswith("_count")
    }
    assert counted["istio_requests_total", "destination"] == 1
    assert counted["istio_requests_total", "source"] == 1
    assert counted["istio_request_duration_seconds_count", "destination"] == 1
    assert counted["istio_tcp_sent_bytes_total", "destination"] == 12
    assert counted["istio_tcp_connections_opened_total", "destination"] == 1
    assert ("istio_tcp_connections_closed_total", "destination") not in counted
