"""An adapter out of process: it lets pass whom its table knows, and tells their value.

python adapter.py [ADDRESS]; the address is 127.0.0.1:9070 if none is given. grpcio-tools reads the .proto files.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc

from flotilla_protos.istio.mixer.adapter.model.v1beta1.check_pb2 import CheckResult

sys.path.insert(0, str(Path(__file__).parent))
template, service = grpc.protos_and_services("template.proto")
config = grpc.protos("config.proto")
PERMISSION_DENIED = 7
VALID_SECONDS = 5


class Keyval(service.HandleKeyvalServiceServicer):
    """Each request brings the handler's parameters."""

    async def HandleKeyval(self, request: Any, context: Any) -> Any:  # noqa: N802  # the method's name
        params = config.Params.FromString(request.adapter_config.value)
        result = CheckResult(valid_use_count=100)
        result.valid_duration.seconds = VALID_SECONDS
        value = params.table.get(request.instance.key)
        if value is None:
            result.status.code = PERMISSION_DENIED
            result.status.message = f"nothing is known of {request.instance.key!r}"
            return template.HandleKeyvalResponse(result=result)
        return template.HandleKeyvalResponse(result=result, output=template.OutputMsg(value=value))


async def main(address: str) -> None:
    server = grpc.aio.server()
    service.add_HandleKeyvalServiceServicer_to_server(Keyval(), server)
    port = server.add_insecure_port(address)
    await server.start()
    print(f"keyval listens on {address.rpartition(':')[0]}:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9070"))
