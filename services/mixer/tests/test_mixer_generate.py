"""Attributes that adapters add before rules are looked at, and headers that rules change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckResponse

from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.decision import combine
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.adapter import GenerateCall
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult, DirectResponse, HeaderOperation, RouteDirective
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.answers import directed_bytes, response_bytes
from flotilla_mixer.servers.native_answers import check_bytes
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.templates.catalogue import KUBERNETES
from flotilla_mixer.testing.meshes import configured, deny, problems
from flotilla_protos.istio.mixer.adapter.kubernetesenv.config.config_pb2 import Params
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckResponse as NativeResponse

BINDINGS = """\
  attributeBindings:
    source.workload.name: $out.source_workload_name | "unknown"
    source.labels: $out.source_labels | emptyStringMap()
    destination.workload.name: $out.destination_workload_name | "unknown"
    destination.owner: $out.destination_owner | "nobody"
"""
GENERATE = f"""\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {{name: who, namespace: istio-system}}
spec: {{compiledAdapter: kubernetesenv}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {{name: attributes, namespace: istio-system}}
spec:
  compiledTemplate: kubernetes
  params:
    source_uid: source.uid | ""
    source_ip: source.ip | ip("0.0.0.0")
    destination_uid: destination.uid | ""
{BINDINGS}---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {{name: who, namespace: istio-system}}
spec: {{actions: [{{handler: who, instances: [attributes]}}]}}
"""


class Inside:
    """A Mixer's dispatch, without servers."""

    def __init__(self, metrics: MixerMetrics, *texts: str, adapters: Any = None) -> None:
        self.failures = Failures(metrics)
        self.swap = Swap("istio-system")
        self.table = self.swap.put(configured(*texts, adapters=adapters or load_adapters()))

    def ask(self, bag: dict[str, object]) -> CheckResult | str:
        decided: list[CheckResult | str] = []
        question = Question(lambda bag: str(bag.get("destination.namespace", "")), bag, decided.append)
        CheckDispatcher(self.failures).dispatch(self.table, [question])
        (decision,) = decided
        assert self.table.open_calls == 0
        return decision


IP_OF_V2 = bytes([127, 0, 2, 4])
KNOWN = [
    ({"source.uid": "kubernetes://reviews-v2.default"}, True),
    ({"source.uid": "kubernetes://reviews-v3.default"}, False),
    ({"source.ip": IP_OF_V2}, True),
    ({"source.ip": bytes(10) + b"\xff\xff" + IP_OF_V2}, True),
    ({"source.uid": "127.0.2.4"}, True),
    # a uid that nobody has is not looked for by its address
    ({"source.uid": "kubernetes://gone.default", "source.ip": IP_OF_V2}, False),
    ({}, False),
    # what is there already is not replaced
    ({"source.ip": IP_OF_V2, "source.labels": {"version": "v3"}}, False),
]


@pytest.mark.parametrize(("bag", "denied"), KNOWN)
def test_rules_see_what_was_added(metrics: MixerMetrics, bag: dict[str, object], denied: bool) -> None:
    inside = Inside(metrics, GENERATE, deny('(source.labels["version"] | "") == "v2"'))
    decision = inside.ask({"destination.namespace": "default", **bag})
    assert isinstance(decision, CheckResult)
    assert decision.ok is not denied


def test_reports_see_it_too(metrics: MixerMetrics, tmp_path: Path) -> None:
    counting = (
        GENERATE
        + """---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: file, namespace: istio-system}
spec: {compiledAdapter: prometheus, params: {metrics: [{name: n, instanceName: n.instance.istio-system, kind: COUNTER, labelNames: [who, whom]}]}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: n, namespace: istio-system}
spec: {compiledTemplate: metric, params: {value: "1", dimensions: {who: source.workload.name, whom: destination.owner}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: n, namespace: istio-system}
spec: {actions: [{handler: file, instances: [n]}]}
"""
    )
    adapters = dict(load_adapters())
    inside = Inside(metrics, counting, adapters=adapters)
    wrong: list[str] = []
    bags = [{"source.ip": IP_OF_V2, "destination.uid": "kubernetes://ratings-v1.default"}, {}]
    ReportDispatcher(inside.failures).dispatch(inside.table, bags, lambda _: "", wrong.extend)
    store: Any = adapters["prometheus"].store  # type: ignore[attr-defined]
    labels = sorted(series.label_text for family in store.families() for series in family.series())
    owner = "kubernetes://apis/networking.istio.io/v1/namespaces/default/workloadentries/ratings-v1"
    assert (wrong, labels) == ([], [f'who="reviews-v2",whom="{owner}"', 'who="unknown",whom="nobody"'])


class Generator:
    """A generator that answers when a test wants, or fails."""

    name, folder, templates = "slow", Path(), frozenset((KUBERNETES.name,))

    def __init__(self) -> None:
        self.kept: list[GenerateCall] = []
        self.raises: Exception | None = None

    def defaults(self) -> Any:
        return Params()

    def validate(self, *_: Any) -> list[Any]:
        return []

    def build(self, *_: Any) -> Generator:
        return self

    def generate(self, calls: list[GenerateCall]) -> None:
        if self.raises:
            raise self.raises
        self.kept += calls

    def close(self) -> None:
        pass


def with_generator(metrics: MixerMetrics, *texts: str) -> tuple[Inside, Generator]:
    slow = Generator()
    adapters: Any = {**load_adapters(), "slow": slow}
    return Inside(metrics, GENERATE.replace("kubernetesenv", "slow"), *texts, adapters=adapters), slow


def test_a_check_waits_for_its_generators(metrics: MixerMetrics) -> None:
    inside, slow = with_generator(metrics, deny('source.workload.name == "v2"'))
    decided: list[Any] = []
    question = Question(lambda _: "default", {}, decided.append)
    CheckDispatcher(inside.failures).dispatch(inside.table, [question])
    assert decided == []
    assert inside.table.open_calls == 1
    slow.kept[0].answer({"source_workload_name": "v2"})
    assert [each.code for each in decided] == [7]
    assert inside.table.open_calls == 0


def test_a_generator_that_fails_fails_the_check(metrics: MixerMetrics) -> None:
    inside, slow = with_generator(metrics)
    slow.raises = RuntimeError("away")
    decision = inside.ask({})
    assert isinstance(decision, str)
    assert decision.startswith("preprocessing attributes failed: handler who.handler.istio-system failed")


def test_an_input_that_cannot_be_made_fails_the_check(metrics: MixerMetrics) -> None:
    inside = Inside(metrics, GENERATE.replace('source.uid | ""', "source.uid"))
    decision = inside.ask({})
    assert isinstance(decision, str)
    assert "lookup failed: 'source.uid'" in decision


WRONG_BINDINGS = [
    ("source.labels: $out.source_labels", "source.labels: $out.source_label", "bad-expression"),
    ('"nobody"', "3", "bad-expression"),
    ("destination.owner: $out.destination_owner", "destination.owners: $out.destination_owner", "unknown-attribute"),
    ('$out.source_workload_name | "unknown"', "$out.source_labels", "wrong-type"),
]


@pytest.mark.parametrize(("old", "new", "code"), WRONG_BINDINGS)
def test_a_binding_that_is_wrong_is_told(old: str, new: str, code: str) -> None:
    assert old in GENERATE
    found = problems(configured(GENERATE.replace(old, new)))
    assert [(kind, each) for kind, _, _, each in found][:1] == [("instance", code)]


# headers of requests that pass, as Envoy is told

OPERATIONS = [
    ([("REPLACE", "x-a", "1")], {}, {"x-a": "1"}, []),
    ([("REPLACE", "x-a", "1")], {"x-a": "0"}, {"x-a": "1"}, []),
    ([("APPEND", "x-a", "1")], {}, {"x-a": "1"}, []),
    ([("APPEND", "x-a", "1"), ("APPEND", "X-A", "2")], {"x-a": "0"}, {"x-a": "0,1,2"}, []),
    ([("REMOVE", "x-a", "")], {"x-a": "0"}, {}, ["x-a"]),
    ([("REMOVE", "x-a", ""), ("APPEND", "x-a", "1")], {"x-a": "0"}, {"x-a": "1"}, []),
]


@pytest.mark.parametrize(("operations", "headers", "put", "removed"), OPERATIONS)
def test_what_envoy_is_told_of_a_request(operations: Any, headers: Any, put: Any, removed: Any) -> None:
    directive = RouteDirective(tuple(HeaderOperation(*each) for each in operations))
    found = CheckResponse.FromString(directed_bytes(directive, headers))
    assert found.status.code == 0
    assert {each.header.key: each.header.value for each in found.ok_response.headers} == put
    assert list(found.ok_response.headers_to_remove) == removed


def test_what_envoy_is_told_of_an_answer() -> None:
    operations = (
        HeaderOperation("REPLACE", "x-a", "1"),
        HeaderOperation("APPEND", "x-b", "2"),
        HeaderOperation("REMOVE", "x-c"),
    )
    found = CheckResponse.FromString(directed_bytes(RouteDirective((), operations), {}))
    assert [
        (each.header.key, each.header.value, each.append_action) for each in found.ok_response.response_headers_to_add
    ] == [
        ("x-a", "1", 2),
        ("x-b", "2", 0),
    ]


HEADERS = """\
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: headers, namespace: NAMESPACE}
spec:
  match: request.path == "/x"
  requestHeaderOperations: [{name: x-who, values: [source.workload.name, '""']}]
"""


@pytest.mark.parametrize("namespace", ["default", "istio-system", "elsewhere"])
def test_a_rule_without_actions_directs_headers_of_its_namespace(metrics: MixerMetrics, namespace: str) -> None:
    inside = Inside(metrics, HEADERS.replace("NAMESPACE", namespace), deny('request.path == "/denied"'))
    bag = {"destination.namespace": "default", "source.workload.name": "a"}
    decision = inside.ask(bag | {"request.path": "/x"})
    assert isinstance(decision, CheckResult)
    expected = () if namespace == "elsewhere" else (HeaderOperation("REPLACE", "x-who", "a"),)
    assert decision.directive.request == expected
    denied = inside.ask(bag | {"request.path": "/denied"})
    assert isinstance(denied, CheckResult)
    assert (denied.code, denied.directive) == (7, RouteDirective())


def test_an_operation_that_is_wrong_takes_the_rules_others_with_it() -> None:
    text = HEADERS.replace("NAMESPACE", "default").replace("source.workload.name", "request.size")
    assert problems(configured(text)) == [
        ("rule", "headers", "spec.requestHeaderOperations[0].values[0]", "bad-header-operation")
    ]
    assert configured(text).directives == ()


# what a denial asks to be answered

DIRECT = deny('request.path == "/x"').replace(
    "message: closed today",
    "message: closed today, details: [{'@type': type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse,"
    " code: MovedPermanently, body: over there, headers: {location: /y, set-cookie: 'a=1, b=2'}}]",
)


def test_a_denial_with_a_response_of_its_own(metrics: MixerMetrics) -> None:
    decision = Inside(metrics, DIRECT).ask({"destination.namespace": "default", "request.path": "/x"})
    assert isinstance(decision, CheckResult)
    denied = CheckResponse.FromString(response_bytes(decision)).denied_response
    assert (denied.status.code, denied.body) == (301, "over there")
    assert [(each.header.key, each.header.value) for each in denied.headers] == [
        ("content-type", "text/plain"),
        ("location", "/y"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ]
    native = NativeResponse.FromString(check_bytes(decision, {}, global_dictionary(), 222)).precondition
    assert (native.status.code, native.status.message) == (7, "closed.default:closed today")
    directive = native.route_directive
    assert (directive.direct_response_code, directive.direct_response_body) == (301, "over there")
    assert [(each.name, each.value, each.operation) for each in directive.response_header_operations] == [
        ("location", "/y", 0),
        ("set-cookie", "a=1", 2),
        ("set-cookie", "b=2", 2),
    ]


MAPPED = [(1, 408, 499), (9, 412, 400), (7, 403, 403), (14, 503, 503)]


@pytest.mark.parametrize(("code", "native", "envoy"), MAPPED)
def test_a_response_without_a_code_has_that_of_the_denial(code: int, native: int, envoy: int) -> None:
    result = CheckResult(code, "no", direct=DirectResponse())
    said = NativeResponse.FromString(check_bytes(result, {}, global_dictionary(), 222)).precondition.route_directive
    assert said.direct_response_code == native
    assert CheckResponse.FromString(response_bytes(result)).denied_response.status.code == envoy


def test_only_the_first_denial_gives_the_response() -> None:
    first, second = CheckResult(7, "a"), CheckResult(7, "b", direct=DirectResponse(200, "x"))
    assert combine([("h", first), ("h", second)]).direct is None
    assert combine([("h", CheckResult(0, "", 5, 5)), ("h", second)]).direct == DirectResponse(200, "x")
