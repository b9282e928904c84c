"""The cluster's DNS server: `python -m tests.kube.cluster.dns ADDRESS PORT KUBECONFIG DOMAIN`, over UDP and TCP.

It reads JSON kubeconfigs with files for the credentials, as this cluster writes them.
"""

from __future__ import annotations

import http.client
import json
import socketserver
import ssl
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.kube.cluster.dns.answer import answer
from tests.kube.cluster.dns.objects import Connect, Objects
from tests.kube.cluster.dns.zone import Zone


class Names:
    """The zone as of now."""

    def __init__(self, domain: str, connect: Connect) -> None:
        self._domain = domain
        self._lock = threading.Lock()
        self._services = Objects("/api/v1/services", connect, self._rebuild)
        self._slices = Objects("/apis/discovery.k8s.io/v1/endpointslices", connect, self._rebuild)
        self.zone = Zone(domain, (), ())

    def start(self) -> None:
        """Returns when both kinds have been listed."""
        for objects in (self._services, self._slices):
            objects.start()
        for objects in (self._services, self._slices):
            objects.listed.wait()

    def _rebuild(self) -> None:
        with self._lock:
            self.zone = Zone(self._domain, self._services.current.values(), self._slices.current.values())


def main(address: str, port: str, kubeconfig: str, domain: str) -> None:
    names = Names(domain, _connector(Path(kubeconfig)))
    names.start()

    class Datagram(socketserver.DatagramRequestHandler):
        def handle(self) -> None:
            if reply := answer(self.rfile.read(), names.zone, datagram=True):
                self.wfile.write(reply)

    class Connection(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            while len(length := self.rfile.read(2)) == 2:
                reply = answer(self.rfile.read(int.from_bytes(length, "big")), names.zone, datagram=False)
                if reply is None:
                    return
                self.wfile.write(len(reply).to_bytes(2, "big") + reply)

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    streams = socketserver.ThreadingTCPServer((address, int(port)), Connection)
    threading.Thread(target=streams.serve_forever, daemon=True).start()
    print(f"DNS for {domain} on {address}:{port}", file=sys.stderr, flush=True)
    socketserver.UDPServer((address, int(port)), Datagram).serve_forever()


def _connector(kubeconfig: Path) -> Connect:
    config = json.loads(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    server = urlsplit(cluster["server"])

    def connect(patience: float) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(str(server.hostname), server.port, timeout=patience, context=context)

    return connect


if __name__ == "__main__":
    main(*sys.argv[1:])
