"""`flotilla render` and `flotilla explain`, as a user calls them."""

import json
import os
from pathlib import Path

import pytest

from flotilla_cli.__main__ import main

BOOKINFO = Path(__file__).parents[2] / "examples/bookinfo/local"
PROXY = "type: sidecar\nid: web.shop\nnamespace: shop\nipAddresses: [10.2.0.9]\nlabels: {app: web}\n"
CONFIG = """apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {clusterIP: 10.1.0.1, selector: {app: reviews}, ports: [{port: 80, name: http, targetPort: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}}], timeout: 3s}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: shop}
spec:
  hosts: [reviews]
  http: [{route: [{destination: {host: reviews}, weight: -1}]}]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "proxy.yaml").write_text(PROXY)
    return tmp_path


def render(files: Path, *more: str) -> int:
    return main(["render", "--config", f"{files}/config.yaml", "--proxy", f"{files}/proxy.yaml", *more])


def test_what_is_compiled_is_printed_and_what_is_refused_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert render(files) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert list(found) == ["listeners", "routes", "clusters", "endpoints"]
    assert [each["name"] for each in found["clusters"]] == sorted(each["name"] for each in found["clusters"])
    hosts = {host["name"]: host for each in found["routes"] for host in each["virtualHosts"]}
    assert hosts["reviews.shop.svc.cluster.local:80"]["routes"][0]["route"]["timeout"] == "3s"
    assert "config.yaml:18: error" in err
    assert "spec.http[0].route[0].weight" in err


UNKNOWN = "dynamic_forward_proxy"  # which resolves the names that nobody declared


def test_settings_of_pilot_count(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "proxy.yaml").write_text(f"{PROXY}metadata: {{INTERCEPTION_MODE: NONE}}\n")
    (files / "pilot.yaml").write_text("resolve_unknown_names: false\ndomain: mesh.example\n")
    render(files)
    usual = capsys.readouterr().out
    assert render(files, "--settings", f"{files}/pilot.yaml") == 1
    given = capsys.readouterr().out
    assert (UNKNOWN in usual, UNKNOWN in given) == (True, False)
    assert ("reviews.shop.svc.mesh.example" in usual, "reviews.shop.svc.mesh.example" in given) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"), [("resolve_names: false\n", "resolve_names"), ("[]", "key: value"), ("a: [", "not YAML")]
)
def test_settings_that_pilot_would_not_take(
    files: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (files / "pilot.yaml").write_text(text)
    assert render(files, "--settings", f"{files}/pilot.yaml") == 1
    out, err = capsys.readouterr()
    assert (out, said in err) == ("", True)


def test_the_mesh_configuration_counts(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "mesh.yaml").write_text("outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n")
    render(files, "--mesh", f"{files}/mesh.yaml")
    assert "block_all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("proxy.yaml", "[1]", "a mapping of type, id, ipAddresses"),
        ("proxy.yaml", "id: [", "proxy.yaml: while parsing"),
        ("proxy.yaml", "id: web.shop", "a proxy needs ipAddresses"),
        ("config.yaml", "kind: [", "this document is not YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    name: str, text: str, said: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / name).write_text(text)
    assert render(files) == 1
    assert said in capsys.readouterr().err


def test_a_file_that_is_missing_is_told(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "config.yaml").unlink()
    assert render(files) == 1
    assert "config.yaml cannot be read: No such file or directory" in capsys.readouterr().err


def explain(*arguments: str) -> int:
    return main(["explain", "--config", str(BOOKINFO), *arguments])


def test_a_call_of_the_example_is_explained_by_file_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--from", "productpage-v1", "--to", "reviews:9080/reviews/1") == 0
    out = capsys.readouterr().out
    rules = (BOOKINFO / "config/reviews-route.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(rules, 1) if text == "kind: VirtualService")
    assert f"from VirtualService default/reviews (examples/bookinfo/local/config/reviews-route.yaml:{line})" in (
        out.replace(str(BOOKINFO.parents[2]) + "/", "")
    )
    assert "at the proxy of reviews-v" in out


def test_as_json_each_step_has_its_objects(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--from", "ingressgateway", "--to", "any.example:8080/productpage", "-o", "json") == 0
    gateway, page = json.loads(capsys.readouterr().out)
    assert (gateway["proxy"], page["proxy"]) == ("ingressgateway.default", "productpage-v1.default")
    route = next(each for each in gateway["steps"] if each["what"] == "route")
    (rules,) = route["madeFrom"]
    assert (rules["namespace"], rules["name"]) == ("default", "bookinfo")
    assert rules["at"].partition(":")[0].endswith("gateway.yaml")


def test_a_call_that_ends_is_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain("--from", "ingressgateway", "--to", "any.example:8081/") == 1
    assert "the call ends here: NoListener, nothing listens there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "web"], "Give --from WORKLOAD and --to HOST:PORT"),
        (["--from", "nobody", "--to", "reviews:9080"], "there is no workload nobody"),
        (["--from", "productpage-v1", "--to", "reviews"], "reviews is no HOST:PORT"),
        (["--from", "productpage-v1", "--to", "reviews:99999"], "is no HOST:PORT"),
        (["--from", "productpage-v1", "--to", "reviews:9080", "-H", "x"], "'x' is no header of the form"),
        (["--live", "--from", "a", "--to", "b:1"], "A running Pilot has its own configuration"),
        (["--cases", "/nowhere.json"], "/nowhere.json cannot be read"),
    ],
)
def test_what_cannot_be_asked_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(*arguments) == 1
    assert said in capsys.readouterr().err


def test_cases_are_answered_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    vectors = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[3] / "shared/vectors"))
    if not vectors.is_dir():
        pytest.skip(f"there are no vectors at {vectors}")
    file = next(each for each in sorted((vectors / "today/simulation").glob("TestLoop*.json")))
    calls = json.loads(file.read_text())["calls"]
    assert main(["explain", "--cases", str(file)]) == 0
    lines = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert len(lines) == len(calls)
    for asked, found in zip(calls, lines, strict=True):
        wanted = {name: value for name, value in asked["want"].items() if name != "strict"}
        assert {name: found.get(name, "") for name in wanted} == wanted


def test_a_setting_that_is_not_known_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.json").write_text(json.dumps({"environment": {"PILOT_NEW": "1"}, "input": {}, "calls": []}))
    assert main(["explain", "--cases", str(tmp_path / "case.json")]) == 1
    assert "environment PILOT_NEW is not known here" in capsys.readouterr().err
