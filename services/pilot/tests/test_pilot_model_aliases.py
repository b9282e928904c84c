"""ExternalName Services: other names of services in the mesh, or what DNS knows."""

from collections.abc import Callable

import pytest

from flotilla_pilot.model.mesh import MeshSettings
from flotilla_pilot.offline.dialling import dial
from flotilla_pilot.testing.meshes import Compiled, Mesh, make_proxy

HTTP = "ports: [{name: http, port: 80}]"
PROXY = make_proxy("client", namespace="shop", INTERCEPTION_MODE="REDIRECT")


def service(name: str, spec: str, namespace: str = "shop") -> str:
    kind = "apiVersion: v1\nkind: Service"
    return f"\n---\n{kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{{spec}}}\n"


def named(name: str, target: str, more: str = "", namespace: str = "shop") -> str:
    return service(name, f"type: ExternalName, externalName: {target}{more}", namespace)


def host(name: str, namespace: str = "shop") -> str:
    return f"{name}.{namespace}.svc.cluster.local"


def rules(hosts: str, spec: str) -> str:
    kind = "apiVersion: networking.istio.io/v1\nkind: VirtualService"
    return f"\n---\n{kind}\nmetadata: {{name: r, namespace: shop}}\nspec: {{hosts: [{hosts}], http: [{spec}]}}\n"


WEB = service("web", f"clusterIP: 10.96.0.1, {HTTP}")
ENTRY = f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web, namespace: shop}}
spec: {{hosts: [api.example], resolution: DNS, {HTTP.replace("port:", "protocol: HTTP, number:")}}}
"""


@pytest.mark.parametrize(
    ("text", "aliases", "services"),
    [
        (WEB + named("a", host("web")), {"a": "web"}, ["web"]),
        (WEB + named("a", f"{host('web')}."), {"a": "web"}, ["web"]),
        (WEB + named("a", host("WEB")), {"a": "web"}, ["web"]),
        (WEB + named("a", host("web"), f", {HTTP}"), {"a": "web"}, ["web"]),
        (WEB + named("a", host("web")) + named("b", host("web")), {"a": "web", "b": "web"}, ["web"]),
        (WEB + named("a", host("b")) + named("b", host("web")), {"a": "web", "b": "web"}, ["web"]),
        (WEB + named("a", host("b")) + named("b", host("a")), {}, ["web"]),
        (WEB + named("a", host("a"), f", {HTTP}"), {}, ["web", "a"]),
        (WEB + named("a", "api.example"), {}, ["web"]),
        (WEB + named("a", "api.example", f", {HTTP}"), {}, ["web", "a"]),
    ],
)
def test_whose_other_name_it_is(text: str, aliases: dict[str, str], services: list[str]) -> None:
    snapshot = Mesh(text).snapshot
    assert snapshot.aliases == {host(alias): host(of) for alias, of in aliases.items()}
    assert [each.host for each in snapshot.services] == list(map(host, services))


def test_what_names_nobody_of_the_mesh_may_be_unknown_as_in_istio() -> None:
    text = WEB + named("a", host("web")) + named("b", "api.example", f", {HTTP}")
    snapshot = Mesh(text, MeshSettings(resolve_external_names=False)).snapshot
    assert [each.host for each in snapshot.services] == [host("web")]
    assert snapshot.aliases == {host("a"): host("web")}


def test_a_name_may_be_that_of_a_service_entry() -> None:
    assert Mesh(ENTRY + named("a", "api.example")).snapshot.aliases == {host("a"): "api.example"}


def test_a_service_is_called_by_its_other_names(validate: Callable[[Compiled], None]) -> None:
    compiled = Mesh(WEB + named("a", host("web")) + named("far", host("web"), "", "other")).compile(PROXY)
    table = {each.name: list(each.domains) for each in compiled.routes["80"].virtual_hosts}
    own = [host("web"), f"{host('web')}.", "web", "web.shop.svc", "web.shop", "10.96.0.1"]
    near = [host("a"), f"{host('a')}.", "a", "a.shop.svc", "a.shop"]
    far = [host("far", "other"), f"{host('far', 'other')}.", "far.other.svc", "far.other"]
    assert table[f"{host('web')}:80"] == [*own, *near, *far]
    assert [name for name in compiled.clusters if "a.shop" in name] == []
    validate(compiled)


def test_a_route_to_another_name_leads_to_the_service() -> None:
    mesh = Mesh(WEB + named("a", host("web")) + rules("x.example", "{route: [{destination: {host: a}}]}"))
    assert mesh.problems() == []
    (found,) = (each for each in mesh.compile(PROXY).routes["80"].virtual_hosts if each.name == "x.example:80")
    assert found.routes[0].route.cluster == f"outbound|80||{host('web')}"


def test_rules_for_another_name_take_its_full_name() -> None:
    """As a host that is no service's; the service keeps the names that they do not take."""
    text = WEB + named("a", host("web")) + rules(host("a"), "{route: [{destination: {host: web}}], timeout: 3s}")
    table = {each.name: each for each in Mesh(text).compile(PROXY).routes["80"].virtual_hosts}
    assert list(table[f"{host('a')}:80"].domains) == [host("a")]
    assert {"a", "a.shop"} <= set(table[f"{host('web')}:80"].domains)


def test_a_name_that_goes_or_leads_elsewhere_changes_the_routes() -> None:
    first = Mesh(WEB + named("a", host("web")))
    second = Mesh(WEB, compiler=first.compiler)
    assert first.snapshot.version != second.snapshot.version
    before, after = (each.compile(PROXY) for each in (first, second))
    assert before.routes["80"] != after.routes["80"]
    assert before.clusters == after.clusters


SIDECAR = """
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: s, namespace: shop}
spec: {egress: [{hosts: ["./web.shop.svc.cluster.local", "far/*"]}]}
"""


def test_a_sidecar_lets_in_each_name_by_itself() -> None:
    names = named("a", host("web")) + named("b", host("web"), namespace="far")
    compiled = Mesh(WEB + names + SIDECAR).compile(PROXY)
    domains = [each for found in compiled.routes["80"].virtual_hosts for each in found.domains]
    assert host("b", "far") in domains
    assert host("a") not in domains


def test_who_dials_another_name_dials_the_service() -> None:
    snapshot = Mesh(WEB + named("a", host("web"))).snapshot
    assert dial(snapshot, PROXY, "a", 80) == "10.96.0.1"
