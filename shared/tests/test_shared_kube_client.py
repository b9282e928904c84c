"""The client: requests, errors, and where its credentials come from."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_shared.runtime.kube.client import KubeClient, open_client
from flotilla_shared.runtime.kube.connection import ConnectionSettingsError, KubeConnection
from flotilla_shared.runtime.kube.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    Throttled,
    Unauthorized,
    Unreachable,
    error_of,
)
from flotilla_shared.runtime.kube.objects import ConfigMap, EndpointSlice, Lease, Pod, Secret
from flotilla_shared.runtime.kube.resources import CONFIG_MAPS, LEASES, NAMESPACES, PODS, SECRETS, Resource
from flotilla_shared.runtime.settings import ServiceSettings
from flotilla_shared.testing.apiserver import ApiServer, Fault, running
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

PATH = CONFIG_MAPS.path("x", "a")


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with running(CONFIG_MAPS, PODS) as found:
        yield found


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[KubeClient]:
    client = server.client("secret")
    await client.start()
    yield client
    await client.stop()


class TestPaths:
    @pytest.mark.parametrize(
        ("resource", "arguments", "path"),
        [
            (PODS, (), "/api/v1/pods"),
            (PODS, ("x",), "/api/v1/namespaces/x/pods"),
            (PODS, ("x", "a", "status"), "/api/v1/namespaces/x/pods/a/status"),
            (NAMESPACES, ("", "x"), "/api/v1/namespaces/x"),
            (LEASES, ("x", "a"), "/apis/coordination.k8s.io/v1/namespaces/x/leases/a"),
        ],
    )
    def test_paths(self, resource: Resource, arguments: tuple[str, ...], path: str) -> None:
        assert resource.path(*arguments) == path

    @pytest.mark.parametrize(("resource", "arguments"), [(NAMESPACES, ("x",)), (PODS, ("", "a"))])
    def test_paths_that_cannot_be(self, resource: Resource, arguments: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="namespace"):
            resource.path(*arguments)

    def test_names(self) -> None:
        assert (str(LEASES), LEASES.api_version) == ("leases.coordination.k8s.io", "coordination.k8s.io/v1")
        assert (str(PODS), PODS.api_version) == ("pods", "v1")


class TestRequests:
    async def test_a_life(self, server: ApiServer, client: KubeClient) -> None:
        made = await client.create(CONFIG_MAPS.path("x"), {"metadata": {"name": "a"}, "data": {"k": "1"}})
        assert made["metadata"]["uid"]
        changed = await client.patch(PATH, {"data": {"l": "2"}})
        assert changed["data"] == {"k": "1", "l": "2"}
        with pytest.raises(Conflict, match="has been modified"):
            await client.replace(PATH, made)
        await client.replace(PATH, {**changed, "data": {"m": "3"}})
        read = await client.get_as(PATH, ConfigMap)
        assert (read.metadata.name, read.data) == ("a", {"m": "3"})
        assert (await client.get(PATH))["data"] == {"m": "3"}
        await client.patch(PATH, [{"op": "replace", "path": "/data/m", "value": "4"}], "json")
        with pytest.raises(Invalid):
            await client.patch(PATH, [{"op": "test", "path": "/data/m", "value": "3"}], "json")
        await client.delete(PATH)
        with pytest.raises(NotFound):
            await client.get(PATH)
        assert {each.authorization for each in server.asked} == {"Bearer secret"}

    async def test_apply_says_who_applies(self, server: ApiServer, client: KubeClient) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
        await client.patch(PATH, body, "apply", params={"fieldManager": "flotilla", "force": "true"})
        (asked,) = server.asked
        assert asked.content_type == "application/apply-patch+yaml"
        assert asked.query == {"fieldManager": "flotilla", "force": "true"}

    async def test_what_is_there_is_not_made(self, server: ApiServer, client: KubeClient) -> None:
        server.put(CONFIG_MAPS, "a", "x")
        with pytest.raises(AlreadyExists):
            await client.create(CONFIG_MAPS.path("x"), {"metadata": {"name": "a"}})

    async def test_a_busy_server_is_waited_for(self, server: ApiServer, client: KubeClient) -> None:
        server.put(CONFIG_MAPS, "a", "x")
        server.fail(Fault("get", 429, "TooManyRequests", retry_after="0"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flotilla_shared.runtime.kube.client.THROTTLED_SECONDS", 0.01)
            await client.get(PATH)
            assert len(server.asked) == 2
            server.fail(Fault("get", 429, "TooManyRequests", times=3))
            with pytest.raises(Throttled):
                await client.get(PATH)

    @pytest.mark.parametrize(
        ("status", "reason", "kind"),
        [
            (401, "Unauthorized", Unauthorized),
            (403, "Forbidden", Forbidden),
            (404, "NotFound", NotFound),
            (409, "Conflict", Conflict),
            (409, "AlreadyExists", AlreadyExists),
            (410, "Expired", Gone),
            (422, "Invalid", Invalid),
            (500, "InternalError", KubeError),
        ],
    )
    async def test_errors(
        self, status: int, reason: str, kind: type[KubeError], server: ApiServer, client: KubeClient
    ) -> None:
        server.fail(Fault("get", status, reason, "why it is"))
        with pytest.raises(KubeError) as caught:
            await client.get(PATH)
        error = caught.value
        assert (type(error), error.status, error.reason, str(error)) == (kind, status, reason, "why it is")

    def test_errors_that_are_no_status(self) -> None:
        error = error_of(502, b"<html>bad gateway</html>", "7")
        assert (type(error), str(error), error.retry_after) == (KubeError, "<html>bad gateway</html>", 7)
        assert str(error_of(503, b"")) == "HTTP 503"
        assert error_of(503, b"\xff\xfe", "soon").retry_after == 0

    async def test_no_answer(self, server: ApiServer, client: KubeClient) -> None:
        server.fail(Fault("get", cut=True))
        with pytest.raises(Unreachable, match=r"GET http://127\.0\.0\.1"):
            await client.get(PATH)

    async def test_an_answer_that_is_something_else(self, server: ApiServer, client: KubeClient) -> None:
        server.put(CONFIG_MAPS, "a", "x", data=["no"])
        with pytest.raises(KubeError, match="GET /api/v1/namespaces/x/configmaps/a: Expected"):
            await client.get_as(PATH, ConfigMap)

    async def test_a_client_that_is_not_started(self, server: ApiServer) -> None:
        with pytest.raises(RuntimeError, match="not started"):
            await server.client().get(PATH)


class TestObjects:
    def test_nulls_where_the_api_server_writes_them(self) -> None:
        import msgspec

        found = msgspec.json.decode(b'{"metadata":{"creationTimestamp":null},"endpoints":null}', type=EndpointSlice)
        assert (found.endpoints, found.metadata.creation_timestamp) == (None, None)
        lease = msgspec.json.decode(
            b'{"metadata":{},"spec":{"holderIdentity":null,"renewTime":"2026-01-02T03:04:05.678901Z"}}', type=Lease
        )
        assert lease.spec.renew_time is not None
        assert lease.spec.renew_time.microsecond == 678901

    def test_names_with_capitals(self) -> None:
        import msgspec

        text = b'{"metadata":{},"status":{"podIP":"1.2.3.4","podIPs":[{"ip":"1.2.3.4"}],"hostIP":"5.6.7.8"}}'
        status = msgspec.json.decode(text, type=Pod).status
        assert (status.pod_ip, status.pod_ips[0].ip, status.host_ip) == ("1.2.3.4", "1.2.3.4", "5.6.7.8")

    def test_a_secret_does_not_print_itself(self) -> None:
        import msgspec

        found = msgspec.json.decode(b'{"metadata":{"name":"a","namespace":"x"},"data":{"k":"c2VjcmV0"}}', type=Secret)
        assert repr(found) == "Secret(x/a)"
        assert str(SECRETS) == "secrets"


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any], **context: Any) -> Path:
    content = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", **context}}],
        "clusters": [{"name": "k", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


class TestConnections:
    async def test_a_pod(self, tmp_path: Path, authority: CertificateAuthorityForTests) -> None:
        for name, content in (("ca.crt", authority.root_pem), ("token", "one\n"), ("namespace", "istio-system")):
            (tmp_path / name).write_text(content)
        found = KubeConnection.from_pod(
            tmp_path, {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}
        )
        assert (found.server, found.namespace) == ("https://[fd00::1]:6443", "istio-system")
        assert found.context is not None
        assert await found.credentials.token() == "one"
        (tmp_path / "token").write_text("two")
        assert await found.credentials.token() == "two"
        (tmp_path / "token").unlink()
        with pytest.raises(Unreachable, match="token cannot be read"):
            await found.credentials.token()

    async def test_a_kubeconfig_with_data(self, tmp_path: Path, authority: CertificateAuthorityForTests) -> None:
        certificate = authority.certificate("spiffe://td/ns/x/sa/y")
        encode = lambda data: base64.b64encode(data).decode()  # noqa: E731
        file = kubeconfig(
            tmp_path,
            {
                "server": "https://127.0.0.1:6443/",
                "certificate-authority-data": encode(authority.root_pem.encode()),
                "tls-server-name": "kubernetes",
            },
            {
                "client-certificate-data": encode(certificate.chain_pem),
                "client-key-data": encode(certificate.key_pem),
            },
            namespace="n",
        )
        found = KubeConnection.from_kubeconfig(file)
        assert (found.server, found.namespace, found.server_name) == ("https://127.0.0.1:6443", "n", "kubernetes")
        assert await found.credentials.token() == ""

    async def test_a_kubeconfig_with_files(self, tmp_path: Path, authority: CertificateAuthorityForTests) -> None:
        (tmp_path / "ca.pem").write_text(authority.root_pem)
        (tmp_path / "t").write_text("from a file")
        file = kubeconfig(
            tmp_path, {"server": "https://h:1", "certificate-authority": "ca.pem"}, {"tokenFile": "t", "token": "no"}
        )
        assert await KubeConnection.from_kubeconfig(file).credentials.token() == "from a file"

    async def test_a_plug_in_is_asked_when_its_token_ends(self, tmp_path: Path) -> None:
        calls = tmp_path / "calls"
        plugin = tmp_path / "plugin"
        plugin.write_text(
            "#!/bin/sh\n"
            f'echo "$KUBERNETES_EXEC_INFO $1 $E" >> {calls}\n'
            'echo \'{"status": {"token": "made", "expirationTimestamp": "2020-01-01T00:00:00Z"}}\'\n'
        )
        plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
        user = {
            "exec": {
                "command": str(plugin),
                "args": ["arg"],
                "env": [{"name": "E", "value": "e"}],
                "apiVersion": "client.authentication.k8s.io/v1",
            }
        }
        found = KubeConnection.from_kubeconfig(kubeconfig(tmp_path, {"server": "http://h"}, user))
        assert [await found.credentials.token() for _ in range(2)] == ["made", "made"]
        first, second = calls.read_text().splitlines()
        assert first == second
        assert first.endswith(" arg e")
        assert '"kind":"ExecCredential"' in first

    @pytest.mark.parametrize(
        ("script", "text"),
        [
            ("exit 3", "ended with code 3"),
            ("echo no", "printed no ExecCredential"),
            ('echo \'{"status": {"clientCertificateData": "x"}}\'', "gave no token"),
        ],
    )
    async def test_a_plug_in_that_fails(self, script: str, text: str, tmp_path: Path) -> None:
        user = {"exec": {"command": "sh", "args": ["-c", script]}}
        found = KubeConnection.from_kubeconfig(kubeconfig(tmp_path, {"server": "http://h"}, user))
        with pytest.raises(Unreachable, match=text):
            await found.credentials.token()

    async def test_a_plug_in_that_is_not_there(self, tmp_path: Path) -> None:
        user = {"exec": {"command": str(tmp_path / "none")}}
        found = KubeConnection.from_kubeconfig(kubeconfig(tmp_path, {"server": "http://h"}, user))
        with pytest.raises(Unreachable, match="none cannot be run: No such file"):
            await found.credentials.token()

    @pytest.mark.parametrize(
        ("cluster", "user", "text"),
        [
            ({"server": "h:1"}, {}, "server must be a URL, not 'h:1'"),
            ({"server": "http://h", "proxy-url": "http://localhost:1"}, {}, "proxy-url is not supported"),
            ({"server": "https://h", "certificate-authority": "none.pem"}, {}, "none.pem cannot be read"),
            ({"server": "https://h", "certificate-authority-data": "%"}, {}, "certificate-authority-data is no base64"),
            ({"server": "https://h", "certificate-authority-data": "YQ=="}, {}, "holds no certificates"),
            ({"server": "https://h"}, {"client-certificate-data": "YQ==", "client-key-data": "YQ=="}, "client-key"),
        ],
    )
    def test_kubeconfigs_that_cannot_be_used(
        self, cluster: dict[str, Any], user: dict[str, Any], text: str, tmp_path: Path
    ) -> None:
        with pytest.raises(ConnectionSettingsError, match=text):
            KubeConnection.from_kubeconfig(kubeconfig(tmp_path, cluster, user))

    @pytest.mark.parametrize(
        ("content", "text"),
        [("{", "is not YAML"), ("[]", "is no kubeconfig"), ("{}", "contexts has no entry ''")],
    )
    def test_files_that_are_no_kubeconfig(self, content: str, text: str, tmp_path: Path) -> None:
        (tmp_path / "k").write_text(content)
        with pytest.raises(ConnectionSettingsError, match=text):
            KubeConnection.from_kubeconfig(tmp_path / "k")

    def test_settings_choose(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = kubeconfig(tmp_path, {"server": "http://h:1"}, {})
        found = open_client(ServiceSettings(platform="kubernetes", kubeconfig=file), "pilot")
        assert found.connection.server == "http://h:1"
        monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        with pytest.raises(ConnectionSettingsError, match="this is no pod"):
            open_client(ServiceSettings(platform="kubernetes"))


class TestSettings:
    @pytest.mark.parametrize(
        ("revision", "labels", "concerned"),
        [
            ("", {}, True),
            ("", {"istio.io/rev": "default"}, True),
            ("", {"istio.io/rev": "canary"}, False),
            ("canary", {}, True),
            ("canary", {"istio.io/rev": "canary"}, True),
            ("canary", {"istio.io/rev": "default"}, False),
        ],
    )
    def test_revisions(self, revision: str, labels: dict[str, str], concerned: bool) -> None:
        assert ServiceSettings(revision=revision).concerns(labels) is concerned

    def test_names(self) -> None:
        assert ServiceSettings().revised("istio-galley") == "istio-galley"
        assert ServiceSettings(revision="r").revised("istio-galley") == "istio-galley-r"
        assert ServiceSettings().own_namespace == "istio-system"
        assert ServiceSettings(pod_namespace="n", pod_name="p").own_namespace == "n"
        assert ServiceSettings(pod_name="p").own_name == "p"
        assert ServiceSettings().own_name
