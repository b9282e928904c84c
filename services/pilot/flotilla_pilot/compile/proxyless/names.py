"""The names by which gRPC asks."""

from collections.abc import Iterable

SERVER_LISTENER = "xds.istio.io/grpc/lds/inbound/"
"""What a server's listener is called, before its address and port."""


def client_listeners(hosts: Iterable[str], port: int) -> list[str]:
    """`xds:///` and any of these: a service's names, each with the port."""
    return [f"{host}:{port}" for host in hosts]


def routes(host: str, port: int) -> str:
    return f"outbound|{port}||{host}"


def server_listener(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{SERVER_LISTENER}{host}:{port}"
