"""Mixer's adapter opa beside a real OPA: asked in plaintext, with TLS and tokens, through outages; and the engine in Mixer,
which must say what OPA says.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf import json_format

from flotilla_mixer.adapters.opa.adapter import Opa
from flotilla_mixer.adapters.opa.handler import REJECTED
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.results import DEFAULT, CheckResult
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_protos.istio.mixer.adapter.opa.config.config_pb2 import Params
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.interop.build import opa_server
from tests.kube.cluster.errors import NotPossible

pytestmark = [pytest.mark.interop, pytest.mark.timeout(1500)]
MODULE = """\
package mixerauthz
import rego.v1
default allow := false
readers := {"alice", "bob"}
allow if { input.action.method == "GET"; startswith(input.action.path, "/ratings/"); input.subject.user in readers }
allow if input.subject.groups[_] == "admin"
allow if input.action.properties.headers["x-key"] == "open"
allow if { input.action.properties.port > 9000; not input.subject.user; regex.match(`^/public/[a-z]+$`, input.action.path) }
undecided if input.action.method == "PUT"
text := input.subject.user
"""
TOKENS = """\
package system.authz
import rego.v1
default allow := false
allow if input.identity == "right"
allow if input.path == ["health"]
"""
RULE = "data.mixerauthz.allow"
DENIED = CheckResult(7, REJECTED)
SUBJECT, ACTION = "subject.properties", "action.properties"
SPEC = InstanceSpec("asked.instance.test", AUTHORIZATION, {}, {SUBJECT: (), ACTION: ("headers", "port")})


@pytest.fixture(scope="session")
def program() -> Path:
    try:
        return opa_server()
    except NotPossible as error:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))


def row(user: str = "", groups: str = "", method: str = "GET", path: str = "/", port: int = 1, key: str = "") -> Any:
    return (user, groups, "default", "ratings", method, path, (), ({"x-key": key} if key else {}, port))


class OpaServer:
    """An OPA with `MODULE`. It begins again at the same place."""

    def __init__(self, program: Path, folder: Path, *arguments: str, modules: Sequence[str] = (MODULE,)) -> None:
        self.port = free_port()
        self._folder = folder
        self._scheme = "https" if "--tls-cert-file" in arguments else "http"
        for number, module in enumerate(modules):
            (folder / f"m{number}.rego").write_text(module)
        files = [str(folder / f"m{number}.rego") for number in range(len(modules))]
        address = f"127.0.0.1:{self.port}"
        self._command = [str(program), "run", "--server", "--addr", address, "--disable-telemetry", *arguments, *files]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with (self._folder / "opa.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)
        async with asyncio.timeout(60):
            while True:
                assert self._process.returncode is None, (self._folder / "opa.log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def stop(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def __aenter__(self) -> OpaServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class Asking:
    """A handler, and what it answers."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler

    async def ask(self, *rows: Any) -> list[Any]:
        answers: dict[int, Any] = {}
        self._handler.check(
            [
                CheckCall(SPEC, each, lambda found, number=number: answers.setdefault(number, found))
                for number, each in enumerate(rows)
            ]
        )
        async with asyncio.timeout(60):
            while len(answers) < len(rows):
                await asyncio.sleep(0.001)
        return [answers[number] for number in range(len(rows))]


@asynccontextmanager
async def opa(**given: Any) -> AsyncIterator[Asking]:
    background = Background()
    params = json_format.ParseDict({"checkMethod": RULE, "failClose": True, **given}, Params())
    assert list(Opa().validate(params, [])) == []
    handler: Any = Opa().build(params, [], background)
    yield Asking(handler)
    await background.close(5.0)
    await handler.close()


@pytest_asyncio.fixture
async def server(program: Path, tmp_path: Path) -> AsyncIterator[OpaServer]:
    async with OpaServer(program, tmp_path) as found:
        yield found


async def test_a_server_decides(server: OpaServer) -> None:
    async with opa(server={"url": server.url, "maxOpenCalls": 4}) as asking:
        rows = [row("alice", path="/ratings/1"), row("eve", path="/ratings/1"), row(groups="admin"), row(key="open")]
        assert await asking.ask(*rows * 10) == [DEFAULT, DENIED, DEFAULT, DEFAULT] * 10


@pytest.mark.parametrize(("rule", "said"), [("undecided", "no result"), ("text", "neither"), ("nothing", "no result")])
async def test_what_a_server_does_not_decide(server: OpaServer, rule: str, said: str) -> None:
    for fail_close in (True, False):
        given = {"checkMethod": f"data.mixerauthz.{rule}", "failClose": fail_close}
        async with opa(server={"url": server.url}, **given) as asking:
            (result,) = await asking.ask(row("alice"))
            assert (said in result.message) if fail_close else result == DEFAULT


async def test_a_policy_that_is_replaced(server: OpaServer) -> None:
    async with opa(server={"url": server.url}) as asking, httpx.AsyncClient(trust_env=False) as http:
        assert await asking.ask(row("eve")) == [DENIED]
        (known,) = (await http.get(f"{server.url}/v1/policies")).json()["result"]
        more = f'{MODULE}allow if input.subject.user == "eve"\n'
        (await http.put(f"{server.url}/v1/policies/{known['id']}", content=more)).raise_for_status()
        assert await asking.ask(row("eve")) == [DEFAULT]


async def test_a_server_that_dies_and_is_back(server: OpaServer) -> None:
    async with opa(server={"url": server.url}) as asking:
        good = row("alice", path="/ratings/1")
        assert await asking.ask(good) == [DEFAULT]
        await server.stop()
        (result,) = await asking.ask(good)
        assert (result.code, "cannot be asked" in result.message) == (7, True)
        await server.start()
        assert await asking.ask(good) == [DEFAULT]


async def test_tokens(program: Path, tmp_path: Path) -> None:
    arguments = ("--authentication", "token", "--authorization", "basic")
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("wrong")
    async with (
        OpaServer(program, tmp_path, *arguments, modules=[MODULE, TOKENS]) as server,
        opa(server={"url": server.url, "tokenPath": str(token)}) as asking,
    ):
        (result,) = await asking.ask(row(groups="admin"))
        assert (result.code, "answered 401" in result.message, "wrong" in result.message) == (7, True, False)
        token.write_text("right\n")
        assert await asking.ask(row(groups="admin")) == [DEFAULT]


async def test_tls_on_both_sides(program: Path, tmp_path: Path) -> None:
    authority, others = CertificateAuthorityForTests(), CertificateAuthorityForTests()
    files = {}
    for name, issuer in (("server", authority), ("client", authority), ("stranger", others)):
        made = issuer.certificate(f"spiffe://cluster.local/ns/x/sa/{name}", ["127.0.0.1", "localhost"])
        for suffix, content in (("crt", made.chain_pem), ("key", made.key_pem)):
            file = tmp_path / f"{name}.{suffix}"
            file.touch(0o600)
            file.write_bytes(content)
            files[f"{name}.{suffix}"] = str(file)
    roots = tmp_path / "roots.pem"
    roots.write_text(authority.root_pem)
    arguments = ("--tls-cert-file", files["server.crt"], "--tls-private-key-file", files["server.key"])
    arguments += ("--tls-ca-cert-file", str(roots), "--authentication", "tls", "--min-tls-version", "1.2")
    async with OpaServer(program, tmp_path, *arguments) as server:
        base = {"url": server.url.replace("127.0.0.1", "localhost"), "caCertificates": str(roots)}
        for name, wanted in (("client", DEFAULT), ("stranger", None)):
            shown = {"clientCertificate": files[f"{name}.crt"], "privateKey": files[f"{name}.key"]}
            async with opa(server={**base, **shown}) as asking:
                (result,) = await asking.ask(row(groups="admin"))
                assert result == wanted if wanted else "cannot be asked" in result.message
        async with opa(server={"url": base["url"]}) as asking:
            (result,) = await asking.ask(row(groups="admin"))
            assert "cannot be asked" in result.message, "a server of an unknown authority is not believed"


async def test_the_engine_in_mixer_says_what_opa_says(server: OpaServer) -> None:
    pick = random.Random(1).choice
    users, paths = (
        ("", "alice", "bob", "eve", 'a"b\\c', "ü"),
        ("/", "/ratings/1", "/public/abc", "/public/ABC", "/ratings/ü"),
    )
    rows = [
        row(
            pick(users),
            pick(("", "", "admin")),
            pick(("GET", "PUT")),
            pick(paths),
            pick((1, 9080)),
            pick(("", "", "open")),
        )
        for _ in range(400)
    ]
    async with opa(server={"url": server.url, "timeout": "20s"}) as asked, opa(policy=[MODULE]) as own:
        found = await asked.ask(*rows)
        assert await own.ask(*rows) == found
    assert min(found.count(DEFAULT), found.count(DENIED)) > 50
