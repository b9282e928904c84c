"""Asks Citadel to sign: `istio.v1.auth.IstioCertificateService/CreateCertificate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import grpc

from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.runtime.identity import Certificate, SigningRefused, SigningUnavailable

METHOD = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
TIMEOUT_SECONDS = 5.0
UNANSWERED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)


class CitadelClient:
    """A CertificateSigner over the network. Reads root and token from their files at every call.

    It says who it is by token; where there is none, or it is refused, by the certificate that is to be renewed.
    A connection lives for one call: calls are rare, and a renewed certificate needs a new one anyway.
    """

    def __init__(self, address: str, server_name: str, root_file: Path, token_file: Path | None) -> None:
        self._address = address
        self._server_name = server_name
        self._root_file = root_file
        self._token_file = token_file

    async def sign(self, csr_pem: str, ttl_seconds: int, current: Certificate | None) -> Sequence[str]:
        """The chain. Raises SigningRefused or SigningUnavailable."""
        root = self._read(self._root_file, "root certificate")
        token = self._token()
        request = IstioCertificateRequest(csr=csr_pem, validity_duration=ttl_seconds)
        if token is None and current is None:
            raise SigningUnavailable(f"there is no token at {self._token_file} and no certificate to renew")
        try:
            return await self._call(request, root, token, None if token else current)
        except SigningRefused:
            if token is None or current is None:
                raise
        return await self._call(request, root, None, current)

    def _token(self) -> str | None:
        if self._token_file is None or not self._token_file.exists():
            return None
        return self._read(self._token_file, "token").decode("ascii", "replace").strip() or None

    def _read(self, file: Path, what: str) -> bytes:
        try:
            return file.read_bytes()
        except OSError as error:
            raise SigningUnavailable(f"the {what} {file} cannot be read: {error.strerror}") from error

    async def _call(
        self, request: IstioCertificateRequest, root: bytes, token: str | None, proof: Certificate | None
    ) -> Sequence[str]:
        if proof is None:
            credentials = grpc.ssl_channel_credentials(root)
        else:
            credentials = grpc.ssl_channel_credentials(root, proof.key_pem, proof.chain_pem)
        options = (("grpc.ssl_target_name_override", self._server_name), ("grpc.enable_http_proxy", 0))
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        async with grpc.aio.secure_channel(self._address, credentials, options=options) as channel:
            create = channel.unary_unary(
                METHOD,
                request_serializer=IstioCertificateRequest.SerializeToString,
                response_deserializer=IstioCertificateResponse.FromString,
            )
            try:
                answer: IstioCertificateResponse = await create(request, timeout=TIMEOUT_SECONDS, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise self._explained(error) from error
        return list(answer.cert_chain)

    def _explained(self, error: grpc.aio.AioRpcError) -> SigningRefused | SigningUnavailable:
        if error.code() in UNANSWERED:
            return SigningUnavailable(f"Citadel at {self._address} cannot be reached: {error.details()}")
        return SigningRefused(f"Citadel at {self._address} refused: {error.details()}")
