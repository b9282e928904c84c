"""`flotilla diff`: against a directory, the mesh that is up, a Galley and a cluster."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from flotilla_cli.__main__ import main
from flotilla_cli.commands import diff as command
from flotilla_cli.difference import held as asked
from flotilla_cli.difference.cluster import held_by_cluster
from flotilla_cli.difference.fields import ABSENT, field_changes
from flotilla_cli.difference.secrets import covered, masked
from flotilla_cli.difference.wanted import read_wanted
from flotilla_cli.errors import NoMesh, Refused
from flotilla_galley.snapshot.snapshot import make_snapshot
from flotilla_galley.sources.documents import read_objects
from flotilla_galley.status.view import objects_view
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.kinds import KINDS
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.kube.resources import Resource
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.testing.apiserver import ApiServer, Fault

HELD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: books}
spec: {hosts: [reviews], http: [{timeout: 5s, route: [{destination: {host: reviews, subset: v1}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: same, namespace: books}
spec: {host: reviews}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: h, namespace: books}
spec: {compiledAdapter: stackdriver, params: {apiKey: hunter2, projectId: a}}
"""
ONE, TWO, THREE = HELD.split("---\n")
# Another spelling of the same.
SAME = TWO.replace("spec: {host: reviews}", "spec:\n  host: 'reviews'\n  subsets: []").replace("/v1\n", "/v1beta1\n")
CHANGED = ONE.replace("5s", "6.000s")
NEW = ONE.replace("name: reviews,", "name: other,").replace("reviews", "other")
BAD = ONE.replace("5s", "0s")
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter3}\n"


@pytest.fixture
def held(tmp_path: Path) -> Path:
    folder = tmp_path / "held"
    folder.mkdir()
    (folder / "all.yaml").write_text(HELD)
    return folder


@pytest.fixture
def diff(tmp_path: Path, held: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Writes texts into files of a folder and compares that with what is held; the code and what was printed."""

    def run(*texts: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        folder = tmp_path / "wanted"
        folder.mkdir()
        for number, text in enumerate(texts):
            (folder / f"{number}.yaml").write_text(text)
        code = main(["diff", "-f", str(folder), "--config", str(held), *options])
        return code, *capsys.readouterr()

    return run


def changes(out: str) -> list[tuple[str, str]]:
    return [(each["change"], each["name"]) for each in json.loads(out)["objects"]]


CASES: list[tuple[tuple[str, ...], tuple[str, ...], int, list[tuple[str, str]]]] = [
    ((ONE, SAME), (), 0, [("unchanged", "reviews"), ("unchanged", "same")]),
    ((CHANGED,), (), 1, [("changed", "reviews")]),
    ((NEW, SAME), (), 1, [("added", "other"), ("unchanged", "same")]),
    ((ONE,), ("--prune",), 1, [("unchanged", "reviews"), ("removed", "same"), ("removed", "h")]),
    (
        (BAD, SAME, THREE),
        ("--prune",),
        2,
        [("unchanged", "same"), ("unchanged", "h")],
    ),  # the invalid one is not removed
    ((ONE, "a: [", SECRET), ("--prune",), 2, [("unchanged", "reviews")]),  # nobody knows what the broken one was
    ((SECRET,), (), 0, []),
    ((ONE, ONE), (), 2, [("unchanged", "reviews")]),
    (("",), (), 0, []),
]


@pytest.mark.parametrize(("texts", "options", "code", "found"), CASES)
def test_what_would_change(diff: Any, texts: Any, options: Any, code: int, found: Any) -> None:
    got, out, _ = diff(*texts, options=(*options, "-o", "json"))
    assert (got, sorted(changes(out))) == (code, sorted(found))


def test_as_people_read_it(diff: Any, held: Path, tmp_path: Path) -> None:
    code, out, err = diff(CHANGED, SAME, BAD.replace("name: reviews", "name: bad"), SECRET)
    assert code == 2
    assert "error[invalid] VirtualService books/bad: 0s is too short" in err
    lines = out.splitlines()
    assert lines[0] == "changed VirtualService books/reviews"
    assert lines[1] == f"--- VirtualService books/reviews ({held}/all.yaml:2)"
    assert lines[2] == f"+++ VirtualService books/reviews ({tmp_path}/wanted/0.yaml:2)"
    assert [line for line in lines[4:] if line and line[0] in "+-"] == ["-    timeout: 5s", "+    timeout: 6s"]
    assert lines[-1].endswith("0 added, 1 changed, 1 unchanged, 1 errors, 1 of kinds that Galley does not read")


def test_fields_for_programs(diff: Any) -> None:
    _, out, _ = diff(CHANGED, options=("-o", "json"))
    (found,) = json.loads(out)["objects"]
    assert found["fields"] == [{"path": "spec.http[0].timeout", "before": "5s", "after": "6s"}]
    assert found["before"].endswith("held/all.yaml:2")


def test_standard_input(held: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(CHANGED))
    assert main(["diff", "-f", "-", "--config", str(held)]) == 1
    assert "+    timeout: 6s" in capsys.readouterr().out


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_are_for_terminals(diff: Any, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    _, out, _ = diff(CHANGED)
    assert ("\x1b[1;32m+    timeout: 6s\x1b[0m" in out) == terminal


# secrets

LEAKS = [
    THREE.replace("hunter2", "hunter3"),
    THREE.replace("hunter2", "{a: [hunter3]}"),
    THREE.replace("apiKey: hunter2, ", "").replace("{compiled", "{adapter: hunter3, nosuch: 1, compiled"),
    THREE.replace("name: h,", "name: i,").replace("hunter2", "hunter3"),
    THREE.replace("hunter2", "'hunter3, hunter3'").replace("{name: h", "{labels: {x: [1]}, name: h"),
    ONE.replace("5s", "{password: hunter3}"),
    ONE.replace("timeout: 5s", 'timeout: 0s, token: "hunter3"'),
    SECRET,
]


@pytest.mark.parametrize("text", LEAKS)
@pytest.mark.parametrize("options", [(), ("-o", "json"), ("--prune",)])
def test_secrets_are_never_printed(diff: Any, text: str, options: tuple[str, ...]) -> None:
    _, out, err = diff(text, options=options)
    shown = (out + err).replace("adapter: hunter3", "").replace('"after": "hunter3"', "")
    assert "hunter" not in shown


MASKED: list[tuple[Any, Any, Any, Any]] = [
    ({"password": "a"}, {"password": "a"}, {"password": "(hidden)"}, {"password": "(hidden)"}),
    ({"password": "a"}, {"password": "b"}, {"password": "(hidden, as it was)"}, {"password": "(hidden, changed)"}),
    ({"api_key": 1}, ABSENT, {"api_key": "(hidden)"}, ABSENT),
    ({"clientSecret": {"a": ["x"]}}, {}, {"clientSecret": {"a": ["(hidden)"]}}, {}),
    ({"token": {"a": "x"}}, {"token": "y"}, {"token": {"a": "(hidden)"}}, {"token": "(hidden)"}),
    ({"env": [{"name": "TOKEN", "value": "x"}]}, ABSENT, {"env": [{"name": "TOKEN", "value": "(hidden)"}]}, ABSENT),
    ({"imagePullSecret": "s"}, ABSENT, {"imagePullSecret": "s"}, ABSENT),
    ({"credentialName": "s", "x": ["a"]}, {"x": "b"}, {"credentialName": "s", "x": ["a"]}, {"x": "b"}),
    ({"x": "-----BEGIN RSA PRIVATE KEY-----\nabc"}, ABSENT, {"x": "(hidden)"}, ABSENT),
]


@pytest.mark.parametrize(("before", "after", "left", "right"), MASKED)
def test_what_is_hidden(before: Any, after: Any, left: Any, right: Any) -> None:
    assert masked(before, after) == (left, right)


def test_a_text_keeps_its_lines() -> None:
    text = 'a: 1\npassword: x y\nb: {token: "t, }", c: 2}\nx:\n- api-key: |\n    k\n\n  d: e\n'
    assert covered(text) == "a: 1\npassword: (hidden)\nb: {token: (hidden)\nx:\n- api-key: (hidden)\n(hidden)\n\n  d: e"


FIELDS: list[tuple[Any, Any, list[tuple[str, Any, Any]]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": True}, [("a", 1, True)]),
    ({"a": {"b": 1}, "c": 2}, {"a": {"b": 2}}, [("a.b", 1, 2), ("c", 2, ABSENT)]),
    ({"a": [1, {"b": 1}]}, {"a": [1, {"b": 2}, 3]}, [("a[1].b", 1, 2), ("a[2]", ABSENT, 3)]),
    ({"a": [1]}, {"a": {"b": 1}}, [("a", [1], {"b": 1})]),
]


@pytest.mark.parametrize(("before", "after", "found"), FIELDS)
def test_fields(before: Any, after: Any, found: Any) -> None:
    assert [(each.path, each.before, each.after) for each in field_changes(before, after)] == found


# who is asked


def test_nobody_to_compare_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.yaml").write_text(ONE)
    arguments = ["diff", "-f", str(tmp_path / "a.yaml"), "--run-dir", str(tmp_path / "no")]
    assert main(arguments) == 2
    assert "nothing to compare with: no mesh is up, and no cluster is known" in capsys.readouterr().err
    assert main(["diff", "-f", str(tmp_path / "none.yaml")]) == 2
    assert main([*arguments, "--kubeconfig", str(tmp_path / "none")]) == 2


def test_the_mesh_that_is_up(
    held: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Attached:
        @staticmethod
        def attach(run_dir: Path) -> Any:
            if run_dir != tmp_path / "run":
                raise NoMesh("")
            return type("", (), {"plan": type("", (), {"config_dir": held})})

    monkeypatch.setattr("flotilla_cli.mesh.Mesh", Attached)
    (tmp_path / "a.yaml").write_text(CHANGED)
    assert main(["diff", "-f", str(tmp_path / "a.yaml"), "--run-dir", str(tmp_path / "run")]) == 1
    assert f"against {held}: 0 added, 1 changed" in capsys.readouterr().out


async def test_a_galley(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "PAGE", 1)
    many = [TWO.replace("name: same", f"name: same-{number}") for number in range(3)]
    found, _ = read_objects("", "---\n".join([HELD, *many]))
    snapshot = make_snapshot([item for each in found if (item := validate_object(each).item) is not None])
    app = introspection_app("galley", {}, Readiness(), {"objects": lambda query: objects_view(snapshot, query)})
    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    try:
        address = f"127.0.0.1:{server.ports[0]}"
        collections = asked.collections_of(read_wanted([("", HELD)]).items, prune=False)
        held = await asyncio.to_thread(asked.held_by_galley, address, collections)
        everything = await asyncio.to_thread(asked.held_by_galley, address, asked.collections_of([], prune=True))
    finally:
        await server.stop()
    wanted = read_wanted([("", "---\n".join([HELD, *many]))])
    for each in (held, everything):
        assert {key: item.content for key, item in each.items.items()} == {
            key: item.content for key, item in wanted.items.items()
        }
    with pytest.raises(Refused, match="does not say what is distributed"):
        await asyncio.to_thread(asked.held_by_galley, address, collections)


def resource(kind: str, version: str) -> Resource:
    found = next(each for each in KINDS if each.kind == kind and each.written)
    return Resource(found.group, version, found.plural, not found.cluster_scoped, kind)


async def test_a_cluster() -> None:
    """One kind in its newest version, one in an older alone; of all others there is no definition."""
    server = ApiServer()
    rules, services = resource("DestinationRule", "v1beta1"), resource("VirtualService", "v1")
    server.serve(rules, services)
    await server.start()
    try:
        for written, kind in ((yaml.safe_load(ONE), services), (yaml.safe_load(TWO), rules)):
            spec, annotations = written["spec"], {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
            server.put(kind, written["metadata"]["name"], "books", spec=spec, metadata={"annotations": annotations})
        connection, wanted = server.client().connection, read_wanted([("", HELD)])
        for prune in (False, True):
            held = await asyncio.to_thread(held_by_cluster, connection, wanted.items, prune=prune)
            assert sorted(key.name for key in held.items) == ["reviews", "same"]
            assert all(wanted.items[key].content == item.content for key, item in held.items.items())
        server.fail(Fault("get", 403))
        with pytest.raises(Refused, match="does not say what it holds"):
            await asyncio.to_thread(held_by_cluster, connection, wanted.items, prune=False)
    finally:
        await server.stop()


def test_the_kubeconfig_is_found_as_kubectl_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "none"), str(tmp_path / "config")]))
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    content = {
        "clusters": [cluster],
        "contexts": [context],
        "users": [{"name": "u", "user": {}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(json.dumps(content))
    (tmp_path / "a.yaml").write_text(ONE)
    assert main(["diff", "-f", str(tmp_path / "a.yaml"), "--run-dir", str(tmp_path / "no")]) == command.FAULTS
    assert "http://127.0.0.1:1" in capsys.readouterr().err
