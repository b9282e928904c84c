"""Two pods on one machine: network namespaces, true interception, real Envoys with what Pilot compiles for them.

    unshare --net --mount --pid --fork --kill-child python -m flotilla_pilot.testing.pods <mesh YAML file> [mode]

plays every call of `CALLS` from the one pod and prints what came back as JSON. Needs root, iptables and the ip command;
all that it makes ends with the namespaces that it is started in. `mode` is how the server's connections are intercepted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.testing.envoy import envoy_binary, static_bootstrap
from flotilla_pilot.testing.meshes import Mesh, make_node
from flotilla_shared.runtime.identity import Certificate
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

CLIENT, SERVER, OUTSIDE = "10.9.9.2", "10.9.9.3", "10.9.9.1"
PROXY_USER = "1337"
SCRATCH = Path("/mnt")
"""Where files are, of which nothing is seen outside, and which the proxies' user may read."""
START_SECONDS = 60.0
_SETUP = """
ip link set lo up
ip link add br0 type bridge
ip addr add {outside}/24 dev br0
ip link set br0 up
"""
_POD = """
ip netns add {name}
ip link add v{name} type veth peer name eth0 netns {name}
ip link set v{name} master br0
ip link set v{name} up
ip -n {name} link set lo up
ip -n {name} addr add {address}/24 dev eth0
ip -n {name} link set eth0 up
ip -n {name} route add default via {outside}
"""
_RULES = """
nat PREROUTING -p tcp -m multiport ! --dports 15020,15021,15090 -j REDIRECT --to-ports 15006
nat OUTPUT -p tcp -s 127.0.0.6/32 -o lo -j RETURN
nat OUTPUT -p tcp -o lo ! -d 127.0.0.1/32 -m owner --uid-owner 1337 -j REDIRECT --to-ports 15006
nat OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN
nat OUTPUT -p tcp -d 127.0.0.1/32 -j RETURN
nat OUTPUT -p tcp -j REDIRECT --to-ports 15001
"""
# The proxy is user 0 then, and known by its group; its calls to the application keep the caller's address, and a mark.
_TRANSPARENT_RULES = """
mangle PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
mangle PREROUTING -p tcp -m mark --mark 1337 -j RETURN
mangle PREROUTING -p tcp -i lo -j RETURN
mangle PREROUTING -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j MARK --set-mark 1337
mangle PREROUTING -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
mangle PREROUTING -p tcp -j TPROXY --tproxy-mark 1337/0xffffffff --on-port 15006
mangle OUTPUT -p tcp -o lo -m mark --mark 1337 -j RETURN
mangle OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
nat OUTPUT -p tcp -o lo -j RETURN
nat OUTPUT -p tcp -m owner --gid-owner 1337 -j RETURN
nat OUTPUT -p tcp -d 127.0.0.1/32 -j RETURN
nat OUTPUT -p tcp -j REDIRECT --to-ports 15001
"""
_TRANSPARENT_ROUTES = """
ip -n {name} rule add fwmark 1337 lookup 133
ip -n {name} route add local default dev lo table 133
"""
TRANSPARENT = "TPROXY"
# What is called, from which pod, how, and with which name or words.
CALLS: Mapping[str, tuple[str, str, str]] = {
    "http by host": ("client", "http://10.96.0.10/x", "web.shop"),
    "http to nobody": ("client", f"http://{OUTSIDE}:8080/x", "nobody"),
    "tcp by address": ("client", "tcp://10.96.0.10:9000", "hello"),
    "unknown that is http": ("client", "http://10.96.0.10:9001/x", ""),
    "unknown that is tcp": ("client", "tcp://10.96.0.10:9001", "hello"),
    "headless tcp": ("client", f"tcp://{SERVER}:9000", "hello"),
    "headless http": ("client", f"http://{SERVER}:8080/x", "hl.shop"),
    "tcp to nobody": ("client", f"tcp://{OUTSIDE}:9000", "hello"),
    "a port without a service": ("client", f"tcp://{SERVER}:7777", "hello"),
    "the way out itself": ("client", f"tcp://{OUTSIDE}:15001", "hello"),
    "plain http from outside": ("", f"http://{SERVER}:8080/x", "web.shop"),
    "plain tcp from outside": ("", f"tcp://{SERVER}:9000", "hello"),
    "the way in itself": ("", f"http://{SERVER}:15006/x", "web.shop"),
}
_APPLICATION = """
import asyncio
async def serve(reader, writer):
    first = await reader.read(4096)
    if first.startswith(b"GET"):
        await answer_http(first.decode(), writer)
    else:
        writer.write(b"tcp from %s: %s" % (writer.get_extra_info("peername")[0].encode(), first))
    await writer.drain()
    writer.close()
async def answer_http(head, writer):
    names = [line for line in head.splitlines() if line.lower().startswith("x-forwarded-client-cert")]
    caller = names[0].split("URI=")[1] if names else "nobody"
    body = f"http from {writer.get_extra_info('peername')[0]} as {caller}".encode()
    writer.write(b"HTTP/1.1 200 OK\\r\\nconnection: close\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
async def main():
    servers = [await asyncio.start_server(serve, "0.0.0.0", port) for port in (7777, 8080, 9000, 9001)]
    await asyncio.gather(*(each.serve_forever() for each in servers))
asyncio.run(main())
"""
_TCP_CALL = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)
connection.settimeout(4)
connection.sendall(sys.argv[3].encode() + b"\\r\\n")
print(connection.recv(200).decode())
"""


def run(*command: str, pod: str = "", check: bool = True) -> str:
    inside = ["ip", "netns", "exec", pod, *command] if pod else list(command)
    ended = subprocess.run(inside, capture_output=True, text=True, check=check, timeout=30)  # noqa: S603
    return ended.stdout


def lines(text: str, **values: str) -> Iterator[list[str]]:
    return (line.split() for line in text.format(**values).splitlines() if line)


def make_pod(name: str, address: str, mode: str) -> None:
    """A namespace on the bridge, with Istio's rules of interception."""
    for command in lines(_POD, name=name, address=address, outside=OUTSIDE):
        run(*command)
    for table, *rule in lines(_TRANSPARENT_RULES if mode == TRANSPARENT else _RULES):
        run("iptables-legacy", "-t", table, "-A", *rule, pod=name)
    for command in lines(_TRANSPARENT_ROUTES, name=name) if mode == TRANSPARENT else ():
        run(*command)


def inline(tree: Any, certificate: Certificate) -> Any:
    """Certificates and roots in the place of the names by which an agent would be asked for them."""
    if isinstance(tree, list):
        return [inline(each, certificate) for each in tree]
    if not isinstance(tree, dict):
        return tree
    found = {name: inline(each, certificate) for name, each in tree.items()}
    if found.pop("tls_certificate_sds_secret_configs", None):
        chain = {"inline_string": certificate.chain_pem.decode()}
        key = {"inline_string": certificate.key_pem.decode()}
        found["tls_certificates"] = [{"certificate_chain": chain, "private_key": key}]
    combined = found.pop("combined_validation_context", None)
    if combined:
        roots = {"trusted_ca": {"inline_string": certificate.root_pem.decode()}}
        found["validation_context"] = {**combined.get("default_validation_context", {}), **roots}
    return found


def write_bootstrap(folder: Path, mesh: Mesh, name: str, address: str, mode: str, certificate: Certificate) -> Path:
    identity = f"sidecar~{address}~{name}-1.shop~shop.svc.cluster.local"
    node = make_node(identity, INSTANCE_IPS=address, LABELS={"app": name}, INTERCEPTION_MODE=mode)
    compiled = mesh.compile(Proxy.from_node(node))
    static = json_format.MessageToDict(static_bootstrap(compiled, node), preserving_proto_field_name=True)
    admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 15000}}}
    file = folder / f"{name}.json"
    file.write_text(json.dumps({**inline(static, certificate), "admin": admin}))
    file.chmod(0o644)
    return file


@contextmanager
def process(log: Path, pod: str, *command: str) -> Iterator[None]:
    """A process in a pod, or outside of all, for as long as the context lasts."""
    inside = ["ip", "netns", "exec", pod, *command] if pod else list(command)
    with log.open("wb") as output:
        running = subprocess.Popen(inside, stdout=output, stderr=output)  # noqa: S603
    try:
        yield
    finally:
        running.terminate()
        running.wait()


def wait_for(pod: str, url: str, word: str, log: Path) -> None:
    """Until `url` answers with `word` in it, asked from inside the pod."""
    ends = time.monotonic() + START_SECONDS
    while word not in run("curl", "-s", url, pod=pod, check=False):
        if time.monotonic() > ends:
            raise TimeoutError(f"{url} of {pod or 'outside'} does not answer: {log.read_text()[-2000:]}")
        time.sleep(0.05)


def call(pod: str, url: str, word: str) -> str:
    """What came back; `lost` where nothing did."""
    scheme, _, place = url.partition("://")
    if scheme == "http":
        named = ("-H", f"Host: {word}") if word else ()
        return run("curl", "-s", "-m", "4", "-w", " [%{http_code}]", *named, url, pod=pod, check=False).strip()
    host, _, port = place.partition(":")
    return run(sys.executable, "-c", _TCP_CALL, host, port, word, pod=pod, check=False).strip() or "lost"


def play(folder: Path, mesh: Mesh, server_mode: str) -> dict[str, str]:
    """Make the pods, play all calls, and give what came back."""
    authority, binary = CertificateAuthorityForTests(), envoy_binary()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for command in lines(_SETUP, outside=OUTSIDE):
        run(*command)
    with ExitStack() as stack:
        for name, address, mode in (("client", CLIENT, "REDIRECT"), ("server", SERVER, server_mode)):
            make_pod(name, address, mode)
            certificate = authority.certificate(f"spiffe://cluster.local/ns/shop/sa/{name}")
            file = write_bootstrap(folder, mesh, name, address, mode, certificate)
            owner = "0" if mode == TRANSPARENT else PROXY_USER
            user = ("setpriv", "--reuid", owner, "--regid", PROXY_USER, "--clear-groups")
            settings = ("-c", str(file), "--concurrency", "1", "--disable-hot-restart")
            stack.enter_context(process(folder / f"{name}.log", name, *user, str(binary), *settings))
        for pod in ("server", ""):
            log = folder / f"application-{pod}.log"
            stack.enter_context(process(log, pod, sys.executable, "-c", _APPLICATION))
            wait_for(pod, "http://127.0.0.1:8080/", "http from", log)
        for name in ("client", "server"):
            wait_for(name, "http://127.0.0.1:15000/ready", "LIVE", folder / f"{name}.log")
        return {name: call(*each) for name, each in CALLS.items()}


if __name__ == "__main__":
    mesh_of_file = Mesh(Path(sys.argv[1]).read_text())
    for place in ("/run/netns", str(SCRATCH)):
        subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)  # noqa: S603, S607
    print(json.dumps(play(SCRATCH, mesh_of_file, *(sys.argv[2:] or ["REDIRECT"]))))
