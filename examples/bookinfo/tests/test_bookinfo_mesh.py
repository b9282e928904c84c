"""The example's configuration in the eyes of those who read it: Galley, Mixer and the command."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict, ParseDict

from flotilla_cli.plan.plan import read_plan
from flotilla_cli.plan.processes import SERVICES
from flotilla_galley.sources.documents import SourceObject, read_objects
from flotilla_galley.validation.validate import validate_object
from flotilla_mixer.configuration.build import COLLECTIONS, Configuration, build_configuration
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.expressions import VOCABULARY, ValueType, check, parse
from flotilla_shared.model.kinds import kind_of
from flotilla_shared.model.objects import ConfigObject

LOCAL = Path(__file__).parents[1] / "local"
CONFIG = sorted((LOCAL / "config").glob("*.yaml"))
PLAY = sorted((LOCAL / "play").glob("*.yaml"))
ROOT = "istio-system"
MIXER = "istio-policy.istio-system.svc.cluster.local:15004"

# Istio 1.4's: instance, value, full name on the page, kind, number of labels.
METRICS = [
    ("requestcount", "1", "requests_total", "COUNTER", 20),
    ("requestduration", 'response.duration | "0ms"', "request_duration_seconds", "DISTRIBUTION", 20),
    ("requestsize", "request.size | 0", "request_bytes", "DISTRIBUTION", 20),
    ("responsesize", "response.size | 0", "response_bytes", "DISTRIBUTION", 20),
    ("tcpbytesent", "connection.sent.bytes | 0", "tcp_sent_bytes_total", "COUNTER", 16),
    ("tcpbytereceived", "connection.received.bytes | 0", "tcp_received_bytes_total", "COUNTER", 16),
    ("tcpconnectionsopened", "1", "tcp_connections_opened_total", "COUNTER", 16),
    ("tcpconnectionsclosed", "1", "tcp_connections_closed_total", "COUNTER", 16),
]
BOTH = {"explicit_buckets", "exponential_buckets"}
HTTP_ONLY = {"request_protocol", "response_code", "permissive_response_code", "permissive_response_policyid"}
RULES = {
    "promhttp": ["requestcount", "requestduration", "requestsize", "responsesize"],
    "promtcp": ["tcpbytesent", "tcpbytereceived"],
    "promtcpconnectionopen": ["tcpconnectionsopened"],
    "promtcpconnectionclosed": ["tcpconnectionsclosed"],
}


def documents(*files: Path) -> list[dict[str, Any]]:
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def specs(kind: str, *files: Path) -> dict[str, Any]:
    """The specs of a kind by name; the files hold one object of a name only."""
    found = [document for document in documents(*files) if document["kind"] == kind]
    assert len({document["metadata"]["name"] for document in found}) == len(found)
    return {document["metadata"]["name"]: document["spec"] for document in found}


@pytest.fixture(scope="module")
def telemetry() -> Path:
    return LOCAL / "config" / "telemetry.yaml"


def name_of(document: dict[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['namespace']}/{document['metadata']['name']}"


@pytest.mark.parametrize("document", documents(*CONFIG, *PLAY), ids=name_of)
def test_every_document_is_what_its_kind_says(document: dict[str, Any]) -> None:
    """By protobuf's own reader, which takes no field that it does not know."""
    kind = kind_of(document["apiVersion"], document["kind"])
    assert kind is not None
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    spec = dict(document["spec"])
    message = ParseDict(spec, kind.message_class()())
    assert MessageToDict(message) != {}


def sources(*files: Path) -> list[SourceObject]:
    read = [read_objects(file.name, file.read_text()) for file in files]
    assert [problem for _, problems in read for problem in problems] == []
    return [source for found, _ in read for source in found]


def objects(*files: Path) -> list[ConfigObject]:
    """All objects, as Galley gives them out; it has nothing to say about any."""
    verdicts = [validate_object(source) for source in sources(*files)]
    assert [problem for verdict in verdicts for problem in verdict.problems] == []
    return [verdict.item for verdict in verdicts if verdict.item is not None]


def test_galley_takes_every_object_and_no_two_have_one_name() -> None:
    found = objects(*CONFIG, *PLAY)
    assert len(found) == len(documents(*CONFIG, *PLAY))
    assert [key for key, count in Counter(item.key for item in found).items() if count > 1] == []


def mixer_reads(*files: Path) -> Configuration:
    collections: dict[str, dict[Any, ConfigObject]] = {name: {} for name in COLLECTIONS}
    for item in objects(*files):
        collections.setdefault(item.key.collection, {})[item.key] = item
    return build_configuration({name: collections[name] for name in COLLECTIONS}, load_adapters(), "cluster.local")


@pytest.mark.parametrize(
    "play", [[], *([file] for file in PLAY), PLAY], ids=lambda files: "+".join(f.stem for f in files)
)
def test_mixer_has_nothing_to_say_about_the_rules(play: list[Path]) -> None:
    read = mixer_reads(*CONFIG, *play)
    assert read.problems == {}
    assert {action.rule.name for action in read.actions} == set(RULES) | {file.stem for file in play}
    assert len(read.instances) == len(METRICS) + len(play)


def test_the_metrics_are_those_of_istio(telemetry: Path) -> None:
    instances = specs("instance", telemetry)
    (handler,) = specs("handler", telemetry).values()
    metrics = handler["params"]["metrics"]
    assert handler["params"]["metricsExpirationPolicy"] == {"metricsExpiryDuration": "10m"}
    assert [metric["instance_name"] for metric in metrics] == [f"{name}.instance.{ROOT}" for name, *_ in METRICS]
    told = [
        (name, instances[name]["params"]["value"], metric["name"], metric["kind"], len(metric["label_names"]))
        for name, metric in zip(instances, metrics, strict=True)
    ]
    assert told == METRICS


@pytest.mark.parametrize("name", [name for name, *_ in METRICS])
def test_an_instances_dimensions_are_its_metrics_labels(telemetry: Path, name: str) -> None:
    """One label more or less, and Mixer can count nothing."""
    dimensions = specs("instance", telemetry)[name]["params"]["dimensions"]
    metrics = specs("handler", telemetry)["prometheus"]["params"]["metrics"]
    (labels,) = [metric["label_names"] for metric in metrics if metric["instance_name"].startswith(f"{name}.")]
    assert list(dimensions) == labels
    assert (set(labels) & HTTP_ONLY) == (set() if name.startswith("tcp") else HTTP_ONLY)


@pytest.mark.parametrize("name", [name for name, *_ in METRICS])
def test_every_expression_has_a_type_and_every_attribute_a_fallback(telemetry: Path, name: str) -> None:
    """A label whose attribute is absent, and that says nothing for that case, would lose the whole report."""
    params = specs("instance", telemetry)[name]["params"]
    for label, text in params["dimensions"].items():
        kind = check(parse(text), VOCABULARY)
        assert kind is (ValueType.INT64 if label == "response_code" else ValueType.STRING), label
        assert "|" in text, label
    assert check(parse(params["value"]), VOCABULARY) in (ValueType.INT64, ValueType.DURATION)


def test_instances_of_one_protocol_have_the_same_labels(telemetry: Path) -> None:
    params = {name: spec["params"] for name, spec in specs("instance", telemetry).items()}
    for protocol in (list(params)[:4], list(params)[4:]):
        assert [params[name]["dimensions"] for name in protocol] == [params[protocol[0]]["dimensions"]] * 4


def test_distributions_have_buckets_and_counters_none(telemetry: Path) -> None:
    for metric in specs("handler", telemetry)["prometheus"]["params"]["metrics"]:
        assert len(BOTH & set(metric.get("buckets", {}))) == (metric["kind"] == "DISTRIBUTION"), metric["name"]


def test_the_rules_send_them_where_they_belong(telemetry: Path) -> None:
    rules = specs("rule", telemetry)
    assert {name: rule["actions"][0]["instances"] for name, rule in rules.items()} == RULES
    for rule in rules.values():
        assert [action["handler"] for action in rule["actions"]] == ["prometheus"]
        assert check(parse(rule["match"]), VOCABULARY) is ValueType.BOOL
    assert {document["metadata"]["namespace"] for document in documents(telemetry)} == {ROOT}


def test_the_mesh_names_mixer_where_it_listens() -> None:
    content = yaml.safe_load((LOCAL / "mesh.yaml").read_text())
    mesh = ParseDict(content, MeshConfig())
    assert (mesh.mixer_check_server, mesh.mixer_report_server) == (MIXER, MIXER)
    assert (content["policyCheckFailOpen"], content["disablePolicyChecks"]) == (False, False)
    entry = specs("ServiceEntry", LOCAL / "config" / "mixer.yaml")["istio-policy"]
    assert f"{entry['hosts'][0]}:{entry['ports'][0]['number']}" == MIXER
    assert entry["endpoints"] == [{"address": read_plan(LOCAL).addresses["mixer"]}]


def test_every_service_of_the_control_plane_has_its_address() -> None:
    assert list(read_plan(LOCAL).addresses) == list(SERVICES)


def test_ratings_finds_the_store_at_its_own_way_out() -> None:
    """Only what its own sidecar binds is a way into the mesh for it; the way out of another is not its affair."""
    plan = read_plan(LOCAL)
    address, _, port = plan.workload("ratings-v1").environment["STORE"].partition(":")
    owners = {(place.address, place.port): place.owner for place in plan.listeners}
    assert owners[address, int(port)] == "Sidecar default/ratings-v1"
    assert specs("ServiceEntry", LOCAL / "config" / "store.yaml")["store"]["ports"][0]["number"] == int(port)
    assert owners[plan.workload("store-v1").application_address, int(port)] == "the application of store-v1"


def test_no_two_services_share_a_port_that_speaks_tcp() -> None:
    """A catch-all egress binds a port once: of two services the younger could not be reached."""
    ports = [
        (port["number"], port["protocol"])
        for entry in specs("ServiceEntry", *CONFIG).values()
        for port in entry["ports"]
    ]
    tcp = [number for number, protocol in ports if protocol == "TCP"]
    assert tcp == [9090]
    assert [number for number, _ in ports].count(9090) == 1


@pytest.mark.parametrize(
    "name",
    ["productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3", "ratings-v1", "store-v1", "visitor"],
)
def test_a_workloads_three_addresses_have_its_number(name: str) -> None:
    workload = read_plan(LOCAL).workload(name)
    sidecar = next(spec for each, spec in specs("Sidecar", *CONFIG).items() if each == name)
    number = workload.address.rpartition(".")[2]
    assert workload.application_address == f"127.0.1.{number}"
    assert workload.address == f"127.0.2.{number}"
    assert {egress["bind"] for egress in sidecar["egress"]} == {f"127.0.3.{number}"}
    assert {ingress["bind"] for ingress in sidecar.get("ingress", ())} <= {workload.address}
    assert sidecar["workloadSelector"]["labels"] == dict(workload.labels)


def test_the_commands_listen_where_the_sidecars_look() -> None:
    ports = {
        name: spec["ingress"][0]["port"]["number"]
        for name, spec in specs("Sidecar", *CONFIG).items()
        if "ingress" in spec
    }
    for workload in read_plan(LOCAL).workloads.values():
        if workload.name in ports:
            expected = ("--address", workload.application_address, "--port", str(ports[workload.name]))
            assert workload.command[-4:] == expected
