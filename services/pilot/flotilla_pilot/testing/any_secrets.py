"""An agent's SDS that has every secret: the configurations of many proxies name many."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.service.discovery.v3.discovery_pb2 import DiscoveryRequest, DiscoveryResponse

from flotilla_pilot.compile.packing import pack
from flotilla_pilot.compile.tls import ROOTS
from flotilla_shared.runtime.identity import Certificate

_SERVICE = "envoy.service.secret.v3.SecretDiscoveryService"
_TYPE = f"type.googleapis.com/{Secret.DESCRIPTOR.full_name}"


class AnySecrets:
    """Component. On the socket `path`, one certificate under every name, or its root where a name is that of roots."""

    def __init__(self, path: Path, certificate: Certificate) -> None:
        self._path, self._certificate = path, certificate

    async def start(self) -> None:
        method = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=DiscoveryRequest.FromString,
            response_serializer=DiscoveryResponse.SerializeToString,
        )
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"StreamSecrets": method}),)
        )
        self._server.add_insecure_port(f"unix:{self._path}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(0)

    async def _stream(self, requests: AsyncIterator[Any], _: object) -> AsyncIterator[DiscoveryResponse]:
        async for request in requests:
            if not request.response_nonce:
                secrets = [pack(self._secret(name)) for name in request.resource_names]
                yield DiscoveryResponse(version_info="1", nonce="1", type_url=_TYPE, resources=secrets)

    def _secret(self, name: str) -> Secret:
        secret = Secret(name=name)
        if name == ROOTS or name.startswith("file-root:") or name.endswith("-cacert"):
            secret.validation_context.trusted_ca.inline_bytes = self._certificate.root_pem
        else:
            secret.tls_certificate.certificate_chain.inline_bytes = self._certificate.chain_pem
            secret.tls_certificate.private_key.inline_bytes = self._certificate.key_pem
        return secret
