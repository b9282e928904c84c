"""The framework of analysis: reading, running, containing, suppressing, order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from flotilla_galley.analysis import analyzers
from flotilla_galley.analysis.analyzer import Analyzer, View
from flotilla_galley.analysis.catalogue import Level, catalogue
from flotilla_galley.analysis.ingress_defaults import with_ingress_gateway
from flotilla_galley.analysis.kinds import NAMESPACES, PLANNED_PODS, PODS, placement
from flotilla_galley.analysis.message import Message, tell
from flotilla_galley.analysis.planned_pods import with_planned_pods
from flotilla_galley.analysis.reading import read_resources, resource_of
from flotilla_galley.analysis.registry import OF_1_4, TODAY, chosen
from flotilla_galley.analysis.resource import Resource
from flotilla_galley.analysis.resources import ResourceSet
from flotilla_galley.analysis.run import analyze
from flotilla_galley.analysis.suppression import Suppression
from flotilla_shared.model.kinds import GATEWAYS, MESH_CONFIG, SIDECARS

SOURCES = sorted(Path(analyzers.__file__).parents[1].rglob("*.py"))


def read(text: str, file: str = "a.yaml") -> ResourceSet:
    return read_resources([(file, text)])


def namespace(name: str, annotations: str = "{}") -> str:
    return f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, annotations: {annotations}}}}}\n---\n"


def told(resource: Resource, view: View) -> Iterator[Message]:
    yield tell("NamespaceInjectionEnabledByDefault", resource, "metadata.name")


TELLS = Analyzer("a.Tells", "one message for each namespace", (NAMESPACES,), {NAMESPACES: told})


class TestReading:
    def test_each_object_knows_its_lines(self) -> None:
        (found,) = read("kind: Pod\napiVersion: v1\nmetadata:\n  name: p\nspec:\n  containers: []\n").all()
        assert (found.key.collection, found.namespace, found.name) == (PODS, "default", "p")
        assert found.line_of("spec.containers") == 6
        assert found.line_of("spec.nothing") == 5

    def test_the_items_of_lists_are_objects_with_their_lines(self) -> None:
        text = "kind: PodList\napiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: p}\n"
        (found,) = read(text).all()
        assert (found.name, found.line_of("metadata.name"), found.line_of("")) == ("p", 6, 4)

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("a: [", "broken-yaml"),
            ("- a", "no-object"),
            ("a: b", "no-kind"),
            ("kind: Thing", "no-api-version"),
            ("kind: Pod\napiVersion: v1\nmetadata: 5", "no-name"),
        ],
    )
    def test_what_is_no_object_is_told_and_takes_nothing_with_it(self, text: str, code: str) -> None:
        found = read(namespace("a") + text)
        assert [each.name for each in found.all()] == ["a"]
        assert [each.code for each in found.problems] == [code]

    def test_a_kind_of_the_core_is_known_without_its_version(self) -> None:
        assert [each.key.collection for each in read("kind: Pod\nmetadata: {name: p}\n").all()] == [PODS]

    def test_kinds_nobody_knows_are_kept(self) -> None:
        (found,) = read("kind: Thing\napiVersion: example.com/v1\nmetadata: {name: t}\n").all()
        assert found.key.collection == "other/example.com/Thing"

    @pytest.mark.parametrize(
        ("group", "kind", "collection", "namespaced"),
        [
            ("networking.istio.io", "Gateway", GATEWAYS, True),
            ("gateway.networking.k8s.io", "Gateway", "k8s/gateway.networking.k8s.io/v1/gateways", True),
            ("extensions", "Ingress", "k8s/networking.k8s.io/v1/ingresses", True),
            ("", "Namespace", NAMESPACES, False),
        ],
    )
    def test_placement(self, group: str, kind: str, collection: str, namespaced: bool) -> None:
        assert placement(group, kind) == (collection, namespaced)

    def test_the_mesh_configuration_of_its_config_map_is_read(self) -> None:
        text = (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: istio, namespace: istio-system}\n"
            "data: {mesh: 'rootNamespace: root'}\n"
        )
        assert View(read(text), [MESH_CONFIG]).root_namespace == "root"
        assert View(ResourceSet(), [MESH_CONFIG]).root_namespace == "istio-system"

    def test_files_hide_what_the_cluster_has(self) -> None:
        files, cluster = read(namespace("a"), "mine"), read(namespace("a") + namespace("b"), "theirs")
        assert [(each.name, each.file) for each in files.over(cluster).all()] == [("a", "mine"), ("b", "theirs")]


class TestRunning:
    def test_one_object_that_an_analyzer_fails_on_harms_no_other(self) -> None:
        def fails(resource: Resource, view: View) -> Iterator[Message]:
            yield tell("NamespaceInjectionEnabledByDefault", resource)
            if resource.name == "b":
                raise ValueError("oh")

        bad = Analyzer("a.Fails", "", (NAMESPACES,), {NAMESPACES: fails})
        found = analyze(read(namespace("a") + namespace("b") + namespace("c")), [bad, TELLS])
        assert [(each.code, each.origin) for each in found.messages if each.code == "IST0001"] == [
            ("IST0001", "Namespace b")
        ]
        assert found.failures == 1
        assert "a.Fails failed" in found.messages[0].text
        assert {each.origin for each in found.messages if each.code == "IST0148"} == {
            "Namespace a",
            "Namespace b",
            "Namespace c",
        }

    def test_what_is_not_declared_cannot_be_read(self) -> None:
        def peeks(view: View) -> Iterator[Message]:
            view.all(PODS)
            yield from ()

        found = analyze(ResourceSet(), [Analyzer("a.Peeks", "", (NAMESPACES,), whole=peeks)])
        assert found.failures == 1
        assert "NotDeclared" in found.messages[0].text

    def test_order_and_sameness_do_not_depend_on_the_input(self) -> None:
        one, two = read(namespace("a") + namespace("b")), read(namespace("b") + namespace("a"))
        first, second = (analyze(each, [TELLS, TELLS]).messages for each in (one, two))
        assert [each.origin for each in first] == [each.origin for each in second] == ["Namespace a", "Namespace b"]

    def test_collections_that_the_cluster_lacks(self) -> None:
        both = Analyzer("a.Both", "", (NAMESPACES, SIDECARS), {NAMESPACES: told})
        lacking = ResourceSet(read(namespace("a")).all(), missing=[SIDECARS])
        assert analyze(lacking, [both]).skipped == ()
        assert analyze(lacking, [both], skip_missing=True).skipped == ("a.Both",)


class TestSuppressing:
    @pytest.mark.parametrize(
        ("annotations", "suppressions", "left"),
        [
            ("{}", [], 1),
            ("{galley.istio.io/analyze-suppress: 'IST0001, IST0148'}", [], 0),
            ("{galley.istio.io/analyze-suppress: '*'}", [], 0),
            ("{galley.istio.io/analyze-suppress: IST0101}", [], 1),
            ("{}", ["IST0148=Namespace a"], 0),
            ("{}", ["IST0148=Name*"], 0),
            ("{}", ["IST0148=Namespace b"], 1),
            ("{}", ["IST0101=Namespace a"], 1),
        ],
    )
    def test_by_annotation_and_by_option(self, annotations: str, suppressions: list[str], left: int) -> None:
        parsed = [Suppression.parse(each) for each in suppressions]
        assert len(analyze(read(namespace("a", annotations)), [TELLS], parsed).messages) == left

    @pytest.mark.parametrize("text", ["IST0148", "=a", "IST0148= "])
    def test_what_is_no_suppression(self, text: str) -> None:
        with pytest.raises(ValueError, match="not of the form"):
            Suppression.parse(text)


def tells() -> Iterator[tuple[str, str, frozenset[str], str]]:
    """(module, type, keywords, line) of every message that is told by name somewhere in analysis."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tell":
                name = node.args[0]
                if isinstance(name, ast.Constant) and all(each.arg for each in node.keywords):
                    words = frozenset(each.arg for each in node.keywords if each.arg)
                    yield file.name, str(name.value), words, f"{file.name}:{node.lineno}"


def test_every_message_that_is_told_is_in_the_catalogue_with_its_parameters() -> None:
    known = catalogue()
    found = list(tells())
    assert found
    assert [place for _, name, words, place in found if name not in known or known[name].parameters != words] == []


def test_the_catalogue_has_every_code_once_and_no_retired_one() -> None:
    retired = {104, 105, *range(113, 116), 117, *range(119, 123), 124}
    codes = [each.code for each in catalogue().values() if not each.only_1_4]
    assert len(codes) == len(set(codes))
    assert not {f"IST0{number}" for number in retired} & set(codes)
    assert [each.level for each in catalogue().values() if each.name == "ReferencedResourceNotFound"] == [Level.ERROR]


def test_a_message_needs_all_of_its_parameters_and_no_other() -> None:
    with pytest.raises(ValueError, match="has the parameters"):
        tell("ReferencedResourceNotFound", None, what="gateway")


def test_json_is_istioctls() -> None:
    (found,) = analyze(read(namespace("a")), [TELLS]).messages
    assert found.as_dict() == {
        "code": "IST0148",
        "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0148/",
        "level": "Info",
        "message": found.text,
        "origin": "Namespace a",
        "reference": "a.yaml:1",
    }


def test_every_module_of_analyzers_is_registered() -> None:
    registered = {id(each) for each in (*TODAY, *OF_1_4)}
    forgotten = []
    for file in SOURCES:
        if file.parent.name.startswith("analyzers") and file.name != "__init__.py":
            module = __import__(f"flotilla_galley.analysis.{file.parent.name}.{file.stem}", fromlist=["*"])
            held = [each for each in vars(module).values() if isinstance(each, Analyzer)]
            held += [
                one
                for each in vars(module).values()
                if isinstance(each, tuple)
                for one in each
                if isinstance(one, Analyzer)
            ]
            forgotten += [(file.name, each.name) for each in held if id(each) not in registered]
            assert held, f"{file.name} has no analyzer"
    assert forgotten == []


def test_an_analyzer_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"there is no analyzer 'no.Such'"):
        chosen("today", ["no.Such"])


@pytest.mark.parametrize(("seconds", "told"), [(3600, []), (-60, ["IST0161"])])
def test_a_certificate_of_a_gateway_must_hold_now(seconds: int, told: list[str]) -> None:
    chain, key = self_signed(timedelta(seconds=seconds))
    secret = {"tls.crt": chain, "tls.key": key}
    written = [
        {"kind": "Secret", "metadata": {"name": "a", "namespace": "istio-system"}, "stringData": secret},
        {
            "kind": "Gateway",
            "apiVersion": "networking.istio.io/v1",
            "metadata": {"name": "a"},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [{"tls": {"credentialName": "a"}}]},
        },
    ]
    found = with_ingress_gateway(ResourceSet(resource_of({"apiVersion": "v1", **each}) for each in written))
    assert [each.code for each in analyze(found, chosen("today", ["gateway.SecretAnalyzer"])).messages] == told


def self_signed(life: timedelta) -> tuple[str, str]:
    """(certificate, key) as PEM; the certificate ends after `life`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    end = datetime.now(UTC) + life
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, end - timedelta(days=1), end)
    chain = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    return chain.decode(), key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


class TestPlannedPods:
    DEPLOYMENT = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n"
        "spec: {template: {metadata: {labels: {app: shop}}, spec: {containers: []}}}\n---\n"
    )
    ENTRY = (
        "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: shop-vm}\n"
        "spec: {address: 10.0.0.1, labels: {app: shop}}\n---\n"
    )
    SIDECAR = (
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: shop}\n"
        "spec: {workloadSelector: {labels: {app: shop}}}\n---\n"
    )

    @pytest.mark.parametrize(("text", "told"), [("", ["IST0101"]), (DEPLOYMENT, []), (ENTRY, [])])
    def test_selectors_are_held_against_what_files_ask_for(self, text: str, told: list[str]) -> None:
        found = with_planned_pods(read(text + self.SIDECAR))
        assert [each.code for each in analyze(found, chosen("today", ["sidecar.SelectorAnalyzer"])).messages] == told

    def test_nothing_is_said_of_a_pod_that_is_only_planned(self) -> None:
        text = (
            self.DEPLOYMENT
            + "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {istio-injection: enabled}}\n"
        )
        assert analyze(with_planned_pods(read(text)), chosen("today", ["injection.Analyzer"])).messages == ()

    def test_a_pod_that_is_there_is_not_planned_again(self) -> None:
        pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop-1, labels: {app: shop, pod-template-hash: a}}\n"
        found = with_planned_pods(read(self.DEPLOYMENT + pod))
        assert found.of(PLANNED_PODS) == ()
        assert len(with_planned_pods(read(self.DEPLOYMENT)).of(PLANNED_PODS)) == 1
