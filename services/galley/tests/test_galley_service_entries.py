"""What is made of Services, by 1.4's rules: files in, synthetic ServiceEntries, namespaces and services out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.machine import Machine
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model.kinds import NAMESPACES, SERVICES, SYNTHETIC_SERVICE_ENTRIES
from flotilla_shared.model.objects import ConfigObject

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: ns, labels: {{app: web}}, annotations: {annotations}}}\nspec: {spec}\n"
POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ns, labels: {app: web}}\n"
    "spec: {nodeName: n, serviceAccountName: robot}\nstatus: {podIP: 10.0.0.1, phase: Running}\n"
)
NODE = "apiVersion: v1\nkind: Node\nmetadata: {name: n, labels: {LABELS}}\n".replace(
    "LABELS", "failure-domain.beta.kubernetes.io/region: r, failure-domain.beta.kubernetes.io/zone: z"
)
ENDPOINTS = (
    "apiVersion: v1\nkind: Endpoints\nmetadata: {name: web, namespace: ns}\nsubsets:\n"
    "- {addresses: [{ip: 10.0.0.1}], notReadyAddresses: [{ip: 10.0.0.2}], ports: [{name: http, port: 8080}, {name: b, port: 9}]}\n"
)
SLICE = (
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n"
    "metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}\n"
    "endpoints: [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}]\nports: [{name: http, port: 8080}]\n"
)
PORTS = "ports: [{name: http, port: 80, targetPort: 8080}]"


def service(spec: str = f"{{clusterIP: 10.1.1.1, {PORTS}}}", annotations: str = "{}") -> str:
    return SERVICE.format(spec=spec, annotations=annotations)


def derive(folder: Path, *texts: str, mesh: MeshConfig | None = None) -> dict[str, list[ConfigObject]]:
    """Collection -> what is made."""
    (folder / "all.yaml").write_text("---\n".join(texts))
    machine = Machine(GalleySettings(config_dir=folder, synthetic_service_entries=True))
    assert machine.sources.objects.read().problems == ()
    reading = machine.sources.further[0].read(mesh or MeshConfig())
    assert reading.problems == ()
    found: dict[str, list[ConfigObject]] = {SYNTHETIC_SERVICE_ENTRIES: [], NAMESPACES: [], SERVICES: []}
    for _, verdict in reading.objects:
        assert verdict.item is not None
        found[verdict.item.key.collection].append(verdict.item)
    return found


def entry(folder: Path, *texts: str, mesh: MeshConfig | None = None) -> tuple[dict[str, Any], ConfigObject]:
    (item,) = derive(folder, *texts, mesh=mesh)[SYNTHETIC_SERVICE_ENTRIES]
    return MessageToDict(item.spec), item


def test_a_service_with_pods(folder: Path) -> None:
    spec, item = entry(folder, service(), ENDPOINTS, POD, NODE)
    assert spec == {
        "hosts": ["web.ns.svc.cluster.local"],
        "addresses": ["10.1.1.1"],
        "ports": [{"number": 80, "protocol": "HTTP", "name": "http"}],
        "location": "MESH_INTERNAL",
        "resolution": "STATIC",
        "endpoints": [
            {"address": "10.0.0.1", "ports": {"http": 8080, "b": 9}, "labels": {"app": "web"}, "locality": "r/z"}
        ],
        "subjectAltNames": ["spiffe://cluster.local/ns/ns/sa/robot"],
    }
    assert (item.key.full_name, item.labels) == ("ns/web", {"app": "web"})
    versions = {name: len(value) for name, value in item.annotations.items() if name.endswith("Version")}
    assert versions == {
        "networking.alpha.istio.io/serviceVersion": 12,
        "networking.alpha.istio.io/endpointsVersion": 12,
    }
    waiting = item.annotations["networking.alpha.istio.io/notReadyEndpoints"]
    assert waiting == "10.0.0.2:8080,10.0.0.2:9"


def test_slices_are_endpoints(folder: Path) -> None:
    spec, item = entry(folder, service(), SLICE, SLICE.replace("web-1", "web-2").replace("0.0.1]", "0.0.3]"), POD)
    assert [each["address"] for each in spec["endpoints"]] == ["10.0.0.1", "10.0.0.3"]
    assert item.annotations["networking.alpha.istio.io/notReadyEndpoints"] == "10.0.0.2:8080,10.0.0.2:8080"


# The Service's spec and what there is beside it -> resolution, location, addresses, addresses of endpoints
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, str, list[str], list[str]]]] = {
    "endpoints": ("{clusterIP: 10.1.1.1}", (ENDPOINTS,), ("STATIC", "MESH_INTERNAL", ["10.1.1.1"], ["10.0.0.1"])),
    "no endpoints": ("{clusterIP: 10.1.1.1}", (), ("NONE", "MESH_INTERNAL", ["10.1.1.1"], [])),
    "headless": ("{clusterIP: None}", (ENDPOINTS,), ("STATIC", "MESH_INTERNAL", ["0.0.0.0"], ["10.0.0.1"])),
    "headless without endpoints": ("{clusterIP: None}", (), ("NONE", "MESH_INTERNAL", ["0.0.0.0"], [])),
    "no address yet": ("{}", (), ("NONE", "MESH_INTERNAL", ["0.0.0.0"], [])),
    "external": (
        f"{{type: ExternalName, externalName: a.example, {PORTS}}}",
        (),
        ("DNS", "MESH_EXTERNAL", ["0.0.0.0"], ["a.example"]),
    ),
    "a name without its type": ("{externalName: a.example}", (), ("NONE", "MESH_INTERNAL", ["0.0.0.0"], [])),
}


@pytest.mark.parametrize("case", KINDS)
def test_kinds_of_services(case: str, folder: Path) -> None:
    written, beside, (resolution, location, addresses, endpoints) = KINDS[case]
    spec, _ = entry(folder, service(written), *beside)
    assert spec.get("resolution", "NONE") == resolution
    assert spec.get("location", "MESH_EXTERNAL") == location
    assert spec["addresses"] == addresses
    assert [each["address"] for each in spec.get("endpoints", ())] == endpoints


# Port of the Service -> protocol
PROTOCOLS = {
    "{name: http-web, port: 80}": "HTTP",
    "{name: grpc, port: 80}": "GRPC",
    "{name: dns, port: 53, protocol: UDP}": "UDP",
    "{name: dns-tcp, port: 53}": "TCP",
    "{name: x, port: 80, appProtocol: http2}": "HTTP2",
    "{name: x, port: 80}": "UnsupportedProtocol",
    "{port: 3306}": "TCP",
}


@pytest.mark.parametrize("port", PROTOCOLS)
def test_protocols(port: str, folder: Path) -> None:
    spec, _ = entry(folder, service(f"{{clusterIP: 10.1.1.1, ports: [{port}]}}"))
    assert spec["ports"][0]["protocol"] == PROTOCOLS[port]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Unknown"])
def test_a_pod_that_does_not_run_is_no_workload(phase: str, folder: Path) -> None:
    spec, _ = entry(folder, service(), ENDPOINTS, POD.replace("Running", phase), NODE)
    assert spec["endpoints"] == [{"address": "10.0.0.1", "ports": {"http": 8080, "b": 9}}]
    assert "subjectAltNames" not in spec


def test_names_are_of_the_trust_domain_and_in_order(folder: Path) -> None:
    other = POD.replace("name: p,", "name: q,").replace("robot", "android").replace("0.0.1", "0.0.9")
    both = ENDPOINTS.replace("[{ip: 10.0.0.1}]", "[{ip: 10.0.0.1}, {ip: 10.0.0.9}]")
    spec, _ = entry(folder, service(), both, POD, other, mesh=MeshConfig(trust_domain="td.example"))
    assert spec["subjectAltNames"] == [f"spiffe://td.example/ns/ns/sa/{name}" for name in ("android", "robot")]


def test_export_to(folder: Path) -> None:
    spec, item = entry(folder, service(annotations="{networking.istio.io/exportTo: '., x ,.'}"))
    assert spec["exportTo"] == [".", "x"]
    assert item.annotations["networking.istio.io/exportTo"] == "., x ,."


def test_it_lives_as_long_as_the_service(folder: Path) -> None:
    assert derive(folder, ENDPOINTS, POD)[SYNTHETIC_SERVICE_ENTRIES] == []
    first = entry(folder, service(), ENDPOINTS)[1]
    changed = entry(folder, service(), ENDPOINTS.replace("10.0.0.1", "10.0.0.7"))[1]
    gone = entry(folder, service())[1]
    assert len({first.version, changed.version, gone.version}) == 3
    assert entry(folder, service(), ENDPOINTS)[1].version == first.version


def test_namespaces_and_services_as_they_are(folder: Path) -> None:
    namespace = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, labels: {a: b}}\nspec: {finalizers: [kubernetes]}\n"
    )
    spec = "{clusterIP: 10.1.1.1, type: ClusterIP, sessionAffinity: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]}"
    found = derive(folder, namespace, service(spec))
    (of_namespace,), (of_service,) = found[NAMESPACES], found[SERVICES]
    assert (of_namespace.key.full_name, of_namespace.labels) == ("ns", {"a": "b"})
    assert MessageToDict(of_namespace.spec) == {"finalizers": ["kubernetes"]}
    assert of_service.key.full_name == "ns/web"
    assert MessageToDict(of_service.spec) == {
        "clusterIP": "10.1.1.1",
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": {"type": "1", "strVal": "http"}}],
    }


def test_a_service_that_cannot_be_read_is_told(folder: Path) -> None:
    (folder / "a.yaml").write_text(service("{clusterIP: 10.1.1.1, externalIPs: no}"))
    (folder / "b.yaml").write_text(service().replace("name: web", "name: other"))
    machine = Machine(GalleySettings(config_dir=folder, synthetic_service_entries=True))
    machine.sources.objects.read()
    reading = machine.sources.further[0].read(MeshConfig())
    assert [(problem.code, problem.file) for problem in reading.problems] == [("wrong-type", "a.yaml")]
    keys = [str(source.key) for source, _ in reading.objects]
    assert f"{SERVICES}/ns/other" in keys
    assert f"{SERVICES}/ns/web" not in keys


class TestOnlyWhatIsConcernedIsMadeAgain:
    """Of every object that is made, by its identity: a version alone would be the same after making it again."""

    @staticmethod
    def items(machine: Machine, mesh: MeshConfig | None = None) -> dict[str, ConfigObject]:
        machine.sources.objects.read()
        reading = machine.sources.further[0].read(mesh or MeshConfig())
        return {str(verdict.item.key): verdict.item for _, verdict in reading.objects if verdict.item is not None}

    @staticmethod
    def differ(one: dict[str, ConfigObject], other: dict[str, ConfigObject]) -> set[str]:
        keys = {name for name in {*one, *other} if one.get(name) is not other.get(name)}
        return {name.rpartition("/")[2] if "synthetic" in name else name for name in keys}

    @pytest.fixture
    def machine(self, folder: Path) -> Machine:
        other = service().replace("name: web", "name: other")
        parts = {"web": service(), "other": other, "endpoints": ENDPOINTS, "pod": POD, "node": NODE}
        for name, text in parts.items():
            (folder / f"{name}.yaml").write_text(text)
        return Machine(GalleySettings(config_dir=folder, synthetic_service_entries=True))

    @pytest.mark.parametrize(
        ("file", "before", "after"),
        [
            ("pod", "app: web", "app: new"),
            ("pod", "phase: Running", "phase: Failed"),
            ("node", "region: r", "region: q"),
            ("endpoints", "10.0.0.2", "10.0.0.3"),
        ],
    )
    def test_a_change_behind_a_service(
        self, file: str, before: str, after: str, machine: Machine, folder: Path
    ) -> None:
        first = self.items(machine)
        assert self.differ(first, self.items(machine)) == set()
        text = (folder / f"{file}.yaml").read_text()
        (folder / f"{file}.yaml").write_text(text.replace(before, after))
        assert self.differ(first, self.items(machine)) == {"web"}

    def test_a_change_of_the_mesh(self, machine: Machine) -> None:
        first = self.items(machine)
        assert self.differ(first, self.items(machine, MeshConfig(trust_domain="td.example"))) >= {"web"}
        assert self.differ(self.items(machine), self.items(machine, MeshConfig(ingress_class="x"))) == set()

    def test_what_is_left_out_is_told_each_time(self, folder: Path) -> None:
        text = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: i, annotations: {kubernetes.io/ingress.class: istio}}\n"
        (folder / "i.yaml").write_text(
            text + "spec: {rules: [{host: a, http: {paths: [{backend: {serviceName: s, servicePort: n}}]}}]}"
        )
        machine = Machine(GalleySettings(config_dir=folder, convert_ingresses=True))
        for number in range(3):
            machine.sources.objects.read()
            assert len(machine.sources.further[0].read(MeshConfig(ingress_class="istio")).problems) == 1
            (folder / "more.yaml").write_text(text.replace("name: i", f"name: more-{number}") + "spec: {}")
