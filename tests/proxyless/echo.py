"""A gRPC application that speaks xDS itself: it serves its name, or calls and prints who answered.

echo.py serve ADDRESS:PORT NAME     prints `serving` when it may be called; until it is killed
echo.py call TARGET [HEADER=VALUE]...    a call a line of its input; prints an answer, or the status code, a line.
                                         The header `seconds` is also the longest time of a call.
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.experimental

METHOD = "/flotilla.test.Echo/Name"
SECONDS = 20


class Echo(grpc.GenericRpcHandler):
    def __init__(self, name: str) -> None:
        self._name = name.encode()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._name)


def serve(address: str, name: str) -> None:
    server = grpc.server(ThreadPoolExecutor(4), handlers=(Echo(name),), xds=True)
    server.add_secure_port(address, grpc.xds_server_credentials(grpc.insecure_server_credentials()))
    server.start()
    print("serving", flush=True)
    threading.Event().wait()


def call(target: str, headers: list[str]) -> None:
    credentials = grpc.xds_channel_credentials(grpc.experimental.insecure_channel_credentials())
    metadata = [tuple(each.split("=", 1)) for each in headers]
    seconds = float(dict(metadata).get("seconds", SECONDS))
    with grpc.secure_channel(target, credentials) as channel:
        ask = channel.unary_unary(METHOD)
        for _ in sys.stdin:
            try:
                print(ask(b"", timeout=seconds, metadata=metadata, wait_for_ready=True).decode(), flush=True)
            except grpc.RpcError as error:
                print(f"{error.code().name}: {error.details()}", flush=True)  # type: ignore[attr-defined]


if __name__ == "__main__":
    command, place, *rest = sys.argv[1:]
    serve(place, rest[0]) if command == "serve" else call(place, rest)
