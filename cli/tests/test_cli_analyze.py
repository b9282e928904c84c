"""`flotilla analyze`: over files, over a cluster, and over both."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_cli.__main__ import main
from flotilla_galley.analysis.registry import OF_1_4, TODAY
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, PODS, SERVICES, Resource
from flotilla_shared.testing.apiserver import ApiServer, Fault

LOST = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways:
  - front
  http:
  - route: [{destination: {host: shop}}]
"""
SHOP = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 80, name: http}]}\n"
GATEWAYS_ONLY = ("--analyzer", "virtualservice.GatewayAnalyzer")


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def analyzed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["analyze", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


class TestFiles:
    @pytest.fixture
    def file(self, tmp_path: Path) -> str:
        (tmp_path / "mesh.yaml").write_text(f"{LOST}---\n{SHOP}")
        return "mesh.yaml"

    def test_text_shows_the_line_with_a_caret_and_what_mends_it(
        self, file: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, out, _ = analyzed(capsys, file)
        assert code == 79
        assert out.startswith(
            'error[IST0101] VirtualService default/shop: the gateway "front" that is named here is not found\n'
            " --> mesh.yaml:7:5 (spec.gateways[0])\n"
            "7 |   - front\n"
            "  |     ^^^^^\n"
        )
        assert out.endswith("1 error, 1 warning\n")

    def test_json_and_yaml_are_istioctls(self, file: str, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = analyzed(capsys, file, "-o", "json")
        found = json.loads(out)
        assert code == 79
        assert found[0] == {
            "code": "IST0101",
            "documentationUrl": "https://istio.io/latest/docs/reference/config/analysis/ist0101/",
            "level": "Error",
            "message": 'the gateway "front" that is named here is not found',
            "origin": "VirtualService default/shop",
            "reference": "mesh.yaml:7",
        }
        assert yaml.safe_load(analyzed(capsys, file, "-o", "yaml")[1]) == found

    def test_log_is_a_line_each(self, file: str, capsys: pytest.CaptureFixture[str]) -> None:
        _, out, _ = analyzed(capsys, file, "-o", "log", *GATEWAYS_ONLY)
        assert out.splitlines()[0] == (
            "Error [IST0101] (VirtualService default/shop mesh.yaml:7) "
            'the gateway "front" that is named here is not found'
        )

    @pytest.mark.parametrize(
        ("options", "code", "count"),
        [
            ((), 79, 2),
            (("--output-threshold", "Error"), 79, 1),
            (("-S", "IST0101=VirtualService default/*"), 0, 1),
            (("-S", "IST0101=VirtualService default/*", "--failure-threshold", "warning"), 79, 1),
            (("-S", "IST0101=*", "-S", "IST0132=*", "--failure-threshold=Info"), 0, 0),
            (("-n", "other"), 79, 2),
            (("--ruleset", "1.4"), 79, 1),
            (("--use-kube=false", "-A"), 79, 2),
        ],
    )
    def test_thresholds_and_suppression(
        self, file: str, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], code: int, count: int
    ) -> None:
        given, out, _ = analyzed(capsys, file, "-o", "json", *options)
        assert (given, len(json.loads(out))) == (code, count)

    def test_nothing_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "shop.yaml").write_text(SHOP)
        assert analyzed(capsys, "shop.yaml") == (0, "Nothing is wrong.\n", "")
        assert analyzed(capsys, "shop.yaml", "-o", "json") == (0, "[]\n", "")

    def test_folders_are_read_with_those_in_them_if_asked(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "mesh" / "deep").mkdir(parents=True)
        (tmp_path / "mesh" / "shop.json").write_text(json.dumps(yaml.safe_load(SHOP)))
        (tmp_path / "mesh" / "notes.txt").write_text("{")
        (tmp_path / "mesh" / "deep" / "lost.yaml").write_text(LOST)
        assert analyzed(capsys, "mesh")[0] == 0
        assert analyzed(capsys, "-R", "mesh")[0] == 79

    def test_standard_input(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(LOST + "---\n" + SHOP))
        _, out, _ = analyzed(capsys, "-", "-o", "json")
        assert json.loads(out)[0]["reference"] == "-:7"

    def test_a_document_that_is_none_is_told_and_the_others_are_analyzed(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "mesh.yaml").write_text(f"{SHOP}---\nkind: Thing\n---\na: [\n")
        code, out, err = analyzed(capsys, "mesh.yaml", "-o", "json")
        assert (code, out) == (65, "[]\n")
        assert [line.split(": ")[1] for line in err.splitlines()] == ["mesh.yaml:6", "mesh.yaml:9"]
        assert "error[no-api-version]" in analyzed(capsys, "mesh.yaml")[1]
        assert analyzed(capsys, "mesh.yaml", "--ignore-unknown")[0] == 0

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("gone.yaml",), 65, "gone.yaml cannot be read"),
            (("-",), 0, ""),
            (("--analyzer", "no.Such", "-"), 2, "there is no analyzer 'no.Such'"),
            (("-S", "IST0101", "-"), 2, "is not of the form"),
            (("--meshConfigFile", "gone.yaml", "-"), 65, "gone.yaml cannot be read"),
            (("--use-kube=false",), 2, "there is nothing to analyze"),
            ((), 1, "there is no kubeconfig file"),
            (("--use-kube", "true", "-"), 1, "there is no kubeconfig file"),
        ],
    )
    def test_what_cannot_be_done_is_one_sentence(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        arguments: tuple[str, ...],
        code: int,
        said: str,
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(SHOP))
        given, _, err = analyzed(capsys, *arguments)
        assert given == code
        assert said in err
        assert err.count("\n") == bool(said)

    def test_the_analyzers_are_listed(self, capsys: pytest.CaptureFixture[str]) -> None:
        for rule_set, analyzers in (("today", TODAY), ("1.4", OF_1_4)):
            code, out, _ = analyzed(capsys, "-L", "--ruleset", rule_set)
            assert code == 0
            expected = sorted([*(each.name for each in analyzers), "mixer.Configuration"])
            assert [line.split()[0] for line in out.splitlines()] == expected

    def test_the_mesh_configuration_of_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "gate.yaml").write_text(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec:\n  selector: {istio: ingressgateway}\n"
        )
        (tmp_path / "mesh.yaml").write_text("ingressControllerMode: 'OFF'\n")
        only = ("--analyzer", "gateway.IngressGatewayPortAnalyzer")
        assert analyzed(capsys, "gate.yaml", *only)[0] == 0
        assert analyzed(capsys, "gate.yaml", *only, "--meshConfigFile", "mesh.yaml")[0] == 79


GATEWAYS = Resource("networking.istio.io", "v1", "gateways", True, "Gateway")
OLD_SERVICES = Resource("networking.istio.io", "v1alpha3", "virtualservices", True, "VirtualService")


class TestCluster:
    @pytest.fixture
    async def server(self, tmp_path: Path) -> AsyncIterator[ApiServer]:
        """Serves VirtualServices at an old version alone, and knows no DestinationRules."""
        server = ApiServer()
        server.serve(CONFIG_MAPS, PODS, SERVICES, GATEWAYS, OLD_SERVICES)
        await server.start()
        context = {"name": "a", "context": {"cluster": "a", "user": "a", "namespace": "team"}}
        east = {"name": "east", "context": {"cluster": "east", "user": "a"}}
        config = {
            "current-context": "a",
            "clusters": [
                {"name": "a", "cluster": {"server": server.url}},
                {"name": "east", "cluster": {"server": server.url}},
            ],
            "users": [{"name": "a", "user": {}}],
            "contexts": [context, east],
        }
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        yield server
        await server.stop()

    @staticmethod
    async def analyzed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any, str]:
        given = ["analyze", "--kubeconfig", "kubeconfig", "-o", "json", *arguments]
        code = await asyncio.to_thread(main, given)
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else None, said.err

    @staticmethod
    def lost(server: ApiServer, namespace: str) -> None:
        spec = {"hosts": ["a"], "gateways": ["front"]}
        server.put(OLD_SERVICES, "shop", namespace, spec=spec)

    async def test_the_objects_of_the_contexts_namespace(
        self, server: ApiServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for namespace in ("team", "other"):
            self.lost(server, namespace)
        code, found, err = await self.analyzed(capsys, *GATEWAYS_ONLY)
        assert (code, err) == (79, "")
        assert [(each["code"], each["origin"]) for each in found] == [
            ("IST0101", "VirtualService team/shop"),
            ("IST0132", "VirtualService team/shop"),
        ]
        assert all("reference" not in each for each in found)
        for options, count in ((("-A",), 4), (("-n", "other"), 2), (("-n", "none"), 0)):
            assert len((await self.analyzed(capsys, *GATEWAYS_ONLY, *options))[1]) == count

    async def test_files_go_before_the_cluster(
        self, server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.lost(server, "team")
        (tmp_path / "front.yaml").write_text(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: front}\n"
            "spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [a]}]}\n"
        )
        assert (await self.analyzed(capsys, "front.yaml", *GATEWAYS_ONLY))[:2] == (0, [])
        assert (await self.analyzed(capsys, "front.yaml", "-k=false", *GATEWAYS_ONLY))[:2] == (0, [])

    async def test_the_mesh_configuration_is_the_clusters(
        self, server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, namespace: root}\n"
        (tmp_path / "policy.yaml").write_text(policy)
        only = ("policy.yaml", "--analyzer", "auth.AuthorizationPoliciesAnalyzer")
        assert [each["code"] for each in (await self.analyzed(capsys, *only))[1]] == ["IST0127"]
        server.put(CONFIG_MAPS, "istio-canary", "istio-system", data={"mesh": "rootNamespace: root"})
        assert (await self.analyzed(capsys, *only, "-r", "canary"))[1] == []

    async def test_what_may_not_be_read_is_told_and_counts_as_empty(
        self, server: ApiServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.lost(server, "team")
        server.fail(Fault("list", code=403, reason="Forbidden", plural="gateways", times=10))
        code, found, err = await self.analyzed(capsys, *GATEWAYS_ONLY)
        assert (code, len(found)) == (79, 2)
        assert "may not be read, and so counts as empty: istio/networking/v1alpha3/gateways" in err

    async def test_analyzers_of_what_is_not_served_are_left_out(
        self, server: ApiServer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, _, err = await self.analyzed(capsys, "-v")
        assert "destinationrule.CaCertificateAnalyzer" in err
        assert "virtualservice.GatewayAnalyzer" not in err
        _, _, err = await self.analyzed(capsys, "-v", "--ruleset", "1.4")
        assert "virtualservice.DestinationRuleAnalyzer" in err

    async def test_a_cluster_that_does_not_answer(self, server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
        await server.stop()
        code, _, err = await self.analyzed(capsys, *GATEWAYS_ONLY)
        assert code == 1
        assert "The cluster cannot be read" in err

    async def test_services_of_other_clusters_are_compared(
        self, server: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        server.put(SERVICES, "shop", "team", spec={"ports": [{"name": "http", "port": 80}]})
        only = ("--analyzer", "services.MultiClusterServiceAnalyzer")
        assert (await self.analyzed(capsys, *only, "--remote-contexts", "east"))[1] == []
        (tmp_path / "shop.yaml").write_text(
            SHOP.replace("name: shop}", "name: shop, namespace: team}").replace("80", "81")
        )
        (found,) = (await self.analyzed(capsys, "shop.yaml", *only, "--remote-contexts", "east"))[1]
        assert (found["code"], found["origin"]) == ("IST0170", "Service team/shop")
        assert "in clusters this one, east: its ports differ" in found["message"]
        code, _, err = await self.analyzed(capsys, *only, "--remote-contexts", "nowhere")
        assert code == 1
        assert "nowhere" in err


@pytest.mark.parametrize("folder", ["kubernetes", "local/config"])
def test_nothing_is_wrong_with_the_example(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    place = Path(__file__).parents[2] / "examples" / "bookinfo" / folder
    assert analyzed(capsys, "-R", str(place)) == (0, "Nothing is wrong.\n", "")
