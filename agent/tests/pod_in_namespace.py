"""The agent of a pod, whole: real Envoy, real rules, user 1337. Run by test_agent_pod_whole in namespaces of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

POD = "10.9.9.1"
AGENT = [sys.executable, "-m", "flotilla_agent"]
AS_PROXY = ["setpriv", "--reuid=1337", "--regid=1337", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
RULES = ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*", "-d", "15090,15021,15020"]
SECRETS = Path("/run/secrets")
RUN_DIR = Path("/run/proxy")
PROBES = {
    "/app-health/app/readyz": {
        "httpGet": {"port": 8080, "path": "/ready", "httpHeaders": [{"name": "X", "value": "1"}]}
    },
    "/app-health/app/livez": {"tcpSocket": {"port": 8080}},
    "/app-health/app/startupz": {"grpc": {"port": 8090}, "timeoutSeconds": 5},
    "/app-health/gone/livez": {"tcpSocket": {"port": 9999}},
    "/app-health/gone/readyz": {"httpGet": {"port": 9999}},
    "/app-health/gone/startupz": {"grpc": {"port": 9999}},
}


def token(audience: str) -> str:
    claims = {"aud": [audience], "exp": time.time() + 3600, "sub": "system:serviceaccount:bookinfo:reviews"}
    parts = ({"alg": "none"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@pytest.fixture(scope="session", autouse=True)
def _network() -> None:
    """As a pod has it: loopback and one address, and the rules."""
    for words in (
        "ip link set lo up",
        "ip link add eth0 type veth peer name outside",
        "ip link set outside up",
        f"ip address add {POD}/24 dev eth0",
        "ip link set eth0 up",
        f"ip route add default dev eth0 src {POD}",
    ):
        subprocess.run(words.split(), check=True)
    subprocess.run([*AGENT, "interception", *RULES], check=True, capture_output=True)


@pytest.fixture
def new_address() -> Callable[[], str]:
    """Citadel and Pilot in the pod itself: at 127.0.0.1, as all else of loopback leads user 1337 in again."""
    return lambda: "127.0.0.1"


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    application = Application()
    await application.start()
    yield application
    await application.stop()


class Application(grpc.GenericRpcHandler):
    """HTTP on 8080 and gRPC health on 8090, on the pod's address only; metrics on 127.0.0.1:9464."""

    def __init__(self) -> None:
        self.status = 200
        self.serving = True
        self.asked: list[bytes] = []
        self._servers: list[asyncio.Server] = []
        self._grpc = grpc.aio.server()

    async def start(self) -> None:
        self._servers.append(await asyncio.start_server(self._http, POD, 8080))
        self._servers.append(await asyncio.start_server(self._metrics, "127.0.0.1", 9464))
        self._grpc.add_generic_rpc_handlers((self,))
        self._grpc.add_insecure_port(f"{POD}:8090")
        await self._grpc.start()

    async def stop(self) -> None:
        for each in self._servers:
            each.close()
        await self._grpc.stop(0)

    def service(self, handler_call_details: Any) -> Any:
        async def check(request: bytes, context: Any) -> bytes:
            return b"\x08\x01" if self.serving else b"\x08\x02"

        return grpc.unary_unary_rpc_method_handler(check)

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.IncompleteReadError:  # a tcp probe
            writer.close()
            return
        await self._answer(writer, self.status, b"I am")

    async def _metrics(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await self._answer(writer, 200, b"orders_total 7\n")

    async def _answer(self, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running(
    kind: str, authority: Any, pilot: Any, envoy: Path, audience: str = "istio-ca", **changes: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    (SECRETS / "tokens").mkdir(parents=True, exist_ok=True)
    (SECRETS / "istio").mkdir(parents=True, exist_ok=True)
    (SECRETS / "tokens/istio-token").write_text(token(audience))
    (SECRETS / "istio/root-cert.pem").write_text(authority.ca.root_pem)
    RUN_DIR.mkdir(exist_ok=True)
    RUN_DIR.chmod(0o777)
    environ = {
        "PATH": os.environ["PATH"],
        "POD_NAME": "reviews-x",
        "POD_NAMESPACE": "bookinfo",
        "SERVICE_ACCOUNT": "reviews",
        "INSTANCE_IP": POD,
        "CA_ADDR": f"{authority.address}:{authority.port}",
        "DISCOVERY_ADDRESS": f"{pilot.server._address}:{pilot.server.bound_port}",
        "PROXY_CONFIG": '{"concurrency": 1, "terminationDrainDuration": "1s"}',
        "ISTIO_KUBE_APP_PROBERS": json.dumps(PROBES),
        "ISTIO_PROMETHEUS_ANNOTATIONS": '{"scrape": "true", "port": "9464", "path": "/metrics"}',
        "FLOTILLA_AGENT_RUN_DIR": str(RUN_DIR),
        "FLOTILLA_AGENT_ENVOY": str(envoy),
        **changes,
    }
    process = await asyncio.create_subprocess_exec(
        *AS_PROXY, *AGENT, "proxy", kind, env=environ, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        print((await process.communicate())[1].decode())


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


Get = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def get(client: httpx.AsyncClient) -> Get:
    """Asks until somebody answers as is hoped for."""

    async def ask(url: str, status: int, saying: str = "") -> httpx.Response:
        last = ""
        for _ in range(600):
            try:
                response = await client.get(url)
                if response.status_code == status and saying in response.text:
                    return response
                last = response.text
            except httpx.TransportError as error:
                last = repr(error)
            await asyncio.sleep(0.05)
        raise AssertionError(f"{url} says {last}")

    return ask


@pytest.mark.parametrize("kind", ["sidecar", "router"])
async def test_a_pods_life(
    kind: str, authority: Any, pilot: Any, envoy: Path, application: Application, client: httpx.AsyncClient, get: Get
) -> None:
    async with running(kind, authority, pilot, envoy) as agent:
        waiting = await asyncio.create_subprocess_exec(*AGENT, "wait", "--timeoutSeconds", "30")
        await get("http://127.0.0.1:15020/healthz/ready", 200, "ready")
        assert await waiting.wait() == 0
        # The gateway's status port and the sidecar's: by Envoy.
        assert (await client.get(f"http://{POD}:15021/healthz/ready")).text == "ready\n"
        assert "envoy_server_live" in (await client.get(f"http://{POD}:15090/stats/prometheus")).text
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://{POD}:15000/ready")
        await _probes(application, client)
        merged = (await client.get(f"http://{POD}:15020/stats/prometheus")).text
        assert "istio_agent_ready 1" in merged
        assert merged.index("envoy_server_live") < merged.index("orders_total 7")
        assert pilot.callers[-1][0].startswith(f"{kind}~{POD}~reviews-x.bookinfo~bookinfo.svc")
        assert pilot.callers[-1][1] == "spiffe://cluster.local/ns/bookinfo/sa/reviews"
        assert (RUN_DIR / "envoy").stat().st_mode & 0o777 == 0o700
        assert _written_elsewhere() == []
        agent.send_signal(signal.SIGTERM)
        _, log = await agent.communicate()
        assert agent.returncode == 0, log.decode()


async def test_an_application_without_an_envoy(authority: Any, pilot: Any, envoy: Path, get: Get) -> None:
    """The pod's group has what it needs, and nobody else: the application runs as another user of it."""
    async with running("grpc", authority, pilot, envoy) as agent:
        await get("http://127.0.0.1:15020/healthz/ready", 200, "ready")
        folder = RUN_DIR / "grpc"
        assert {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir() if each.suffix == ".pem"} == {
            "cert-chain.pem": 0o640,
            "key.pem": 0o640,
            "root-cert.pem": 0o640,
        }
        ask = f"import grpc; grpc.channel_ready_future(grpc.insecure_channel('unix:{folder}/xds.sock')).result(10)"
        for groups, code in (("--groups=1337", 0), ("--clear-groups", 1)):
            words = ["setpriv", "--reuid=2000", "--regid=2000", groups]
            reading = [*words, sys.executable, "-c", f"open('{folder}/key.pem').read(); {ask}"]
            assert subprocess.run(reading, capture_output=True, check=False, cwd="/").returncode == code
        node = json.loads((folder / "grpc-bootstrap.json").read_text())["node"]
        assert node["metadata"]["GENERATOR"] == "grpc"
        assert node["id"] == f"sidecar~{POD}~reviews-x.bookinfo~bookinfo.svc.cluster.local"
        agent.send_signal(signal.SIGTERM)
        _, log = await agent.communicate()
        assert agent.returncode == 0, log.decode()


async def _probes(application: Application, client: httpx.AsyncClient) -> None:
    """What the kubelet is told, as the application goes from well to unwell."""
    base = f"http://{POD}:15020/app-health"

    async def told() -> list[int]:
        return [(await client.get(f"{base}/app/{name}")).status_code for name in ("readyz", "livez", "startupz")]

    assert await told() == [200, 200, 200]
    assert b"x: 1" in application.asked[0].lower()
    assert b"get /ready" in application.asked[0].lower()
    application.status, application.serving = 500, False
    assert await told() == [500, 200, 503]
    for name in ("livez", "readyz", "startupz"):
        gone = await client.get(f"{base}/gone/{name}")
        assert gone.status_code == 503
        assert f"{POD}:9999" in gone.text
    unknown = await client.get(f"{base}/nobody/livez")
    assert (unknown.status_code, unknown.text) == (404, "injection left no probe for /app-health/nobody/livez\n")


def _written_elsewhere() -> list[str]:
    """What user 1337 owns outside its folder."""
    found = subprocess.run(
        ["find", "/run", "/etc", "/var", "/tmp", "/dev/shm", "-xdev", "-user", "1337", "-not", "-path", f"{RUN_DIR}/*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.split()


async def test_a_wrong_audience_is_told_where_an_operator_looks(
    authority: Any, pilot: Any, envoy: Path, get: Get
) -> None:
    authority.refusal = "the token is not for istio-ca"
    async with running("sidecar", authority, pilot, envoy, audience="vault") as agent:
        sentence = "is for the audience vault and Citadel takes istio-ca"
        shown = await get("http://127.0.0.1:15020/healthz/ready", 503, sentence)
        assert "waiting-for-certificate" in shown.text
        assert "refused: the token is not for istio-ca" in shown.text
        assert agent.stderr is not None
        while sentence not in (await agent.stderr.readline()).decode():
            pass
        failed = await asyncio.create_subprocess_exec(
            *AGENT, "wait", "--timeoutSeconds", "0", stderr=asyncio.subprocess.PIPE
        )
        assert sentence in (await failed.communicate())[1].decode()
        assert failed.returncode == 1


async def test_anothers_root_is_told(authority: Any, pilot: Any, envoy: Path, get: Get) -> None:
    async with running("sidecar", authority, pilot, envoy, CA_ADDR=f"{pilot.server._address}:1") as _:
        await get("http://127.0.0.1:15020/healthz/ready", 503, "cannot be reached")
    other = type(authority)(authority.address, SECRETS / "other.pem")
    await other.start()
    try:
        async with running("sidecar", authority, pilot, envoy, CA_ADDR=f"{other.address}:{other.port}"):
            await get("http://127.0.0.1:15020/healthz/ready", 503, "the ConfigMap istio-ca-root-cert of this namespace")
    finally:
        await other.stop()


async def test_the_application_ends_its_proxy(
    authority: Any, pilot: Any, envoy: Path, client: httpx.AsyncClient, get: Get
) -> None:
    """As a Job does that is done. Nobody outside can."""
    async with running("sidecar", authority, pilot, envoy) as agent:
        await get("http://127.0.0.1:15020/healthz/ready", 200)
        for path in ("quitquitquit", "drain"):
            assert (await client.post(f"http://{POD}:15020/{path}")).status_code == 403
            assert (await client.get(f"http://127.0.0.1:15020/{path}")).status_code == 405
        drain = await asyncio.create_subprocess_exec(*AGENT, "request", "POST", "drain")
        assert await drain.wait() == 0
        assert (await client.post("http://127.0.0.1:15020/quitquitquit")).status_code == 200
        await agent.communicate()
        assert agent.returncode == 0


async def test_envoys_words_are_in_the_containers_log(authority: Any, pilot: Any, envoy: Path, get: Get) -> None:
    async with running("sidecar", authority, pilot, envoy, FLOTILLA_AGENT_ENVOY_LOG_LEVEL="info") as agent:
        await get("http://127.0.0.1:15020/healthz/ready", 200)
        agent.send_signal(signal.SIGTERM)
        _, log = await agent.communicate()
        assert "all dependencies initialized. starting workers" in log.decode()
        assert not (RUN_DIR / "envoy/envoy.log").exists()
