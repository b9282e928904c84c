"""`istio.v1.auth.IstioCertificateService/CreateCertificate` as a function over a batch of calls.

It answers every call at once, for a P-256 signature is cheaper than handing it to a thread (docs/adr/0024), but for
those whose token the API server must be asked about.
Whatever a peer sends, the answer is a chain or a status of reference/citadel.md section 2.2; the text of a
refusal says what is wrong and what would be right, and holds nothing secret.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from google.protobuf.message import DecodeError
from grpc import StatusCode

from flotilla_citadel.callers.caller import Caller, Credentials
from flotilla_citadel.errors import (
    CallerRefused,
    CsrRefused,
    ImpersonationRefused,
    KeysUnavailable,
    LifetimeRefused,
    RequestRefused,
    ReviewUnavailable,
    SignerUnusable,
)
from flotilla_citadel.servers.authority import Authority, Order
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_citadel.servers.metrics import CitadelMetrics
from flotilla_citadel.servers.refusal_log import RefusalLog
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest, IstioCertificateResponse
from flotilla_shared.runtime.lifecycle import Tasks
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.serving import Call

METHOD = "/istio.v1.auth.IstioCertificateService/CreateCertificate"
MAX_REQUEST_BYTES = 64 * 1024  # a CSR of the greatest length and room for its metadata

_log = get_logger(__name__)

# How each kind of refusal is answered: the status, and the words that Istio's clients and operators know.
_ANSWERS: dict[type[RequestRefused], tuple[StatusCode, str]] = {
    CallerRefused: (StatusCode.UNAUTHENTICATED, "request authenticate failure: {}"),
    ImpersonationRefused: (StatusCode.UNAUTHENTICATED, "{}"),
    KeysUnavailable: (StatusCode.UNAVAILABLE, "request authenticate failure: {}"),
    ReviewUnavailable: (StatusCode.UNAVAILABLE, "request authenticate failure: {}"),
    CsrRefused: (StatusCode.INVALID_ARGUMENT, "CSR signing error ({})"),
    LifetimeRefused: (StatusCode.INVALID_ARGUMENT, "CSR signing error ({})"),
    SignerUnusable: (StatusCode.INTERNAL, "CSR signing error ({})"),
}


class CertificateService:
    """Component: the batch function and what it needs. One loop's."""

    def __init__(self, authority: Authority, metrics: CitadelMetrics, issued: IssuedLog) -> None:
        self._authority = authority
        self._metrics = metrics
        self._issued = issued
        self._refusals = RefusalLog()
        self._waiting = Tasks("certificate requests")

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        """Give up the calls whose callers are not known yet; the port must be closed by now."""
        await self._waiting.stop()

    def __call__(self, calls: Sequence[Call]) -> None:
        """Answer every call, now or later; none of them can keep another from its answer."""
        for call in calls:
            self._metrics.requested()
            with self._answering(call):
                caller = self._authority.authenticate(credentials_of(call))
                if isinstance(caller, Caller):
                    call.answer(self._create(call, caller))
                else:
                    self._waiting.spawn(self._later(call, caller))

    async def _later(self, call: Call, caller: Awaitable[Caller]) -> None:
        with self._answering(call):
            found = await caller
            if not call.done:  # nothing is signed for one that has gone
                call.answer(self._create(call, found))

    @contextmanager
    def _answering(self, call: Call) -> Iterator[None]:
        """Whatever is raised inside becomes the call's answer."""
        try:
            yield
        except RequestRefused as refused:
            self._refuse(call, refused)
        except Exception:  # noqa: BLE001  # one call's failure is not the batch's
            _log.exception("certificate request failed", peer=call.peer.address)
            self._metrics.failed("internal")
            call.fail(StatusCode.INTERNAL, "CSR signing error (an internal error; Citadel's log has more)")

    def _create(self, call: Call, caller: Caller) -> bytes:
        issued = self._authority.issue(read_order(call.message), caller)
        self._metrics.signed()
        self._issued.add(issued, caller, call.peer.address)
        return IstioCertificateResponse(cert_chain=issued.chain).SerializeToString()

    def _refuse(self, call: Call, refused: RequestRefused) -> None:
        self._metrics.refused(refused)
        self._refusals.refused(refused, call.peer.address, call.peer.identity)
        code, words = _ANSWERS[type(refused)]
        call.fail(code, words.format(refused.text))


def credentials_of(call: Call) -> Credentials:
    """What came with the call to say who calls."""
    return Credentials(bearer_token(call.metadata), call.peer.certificate_der)


def bearer_token(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The first bearer token of a call's metadata."""
    for name, value in metadata:
        if name == "authorization" and isinstance(value, str):
            scheme, _, token = value.partition(" ")
            if scheme.lower() == "bearer":
                return token.strip()
    return None


def read_order(message: bytes) -> Order:
    """What a request's bytes ask for. Raises CsrRefused for bytes that are too many or no request."""
    if len(message) > MAX_REQUEST_BYTES:
        raise CsrRefused(f"the request has {len(message)} bytes, at most {MAX_REQUEST_BYTES} are taken", parsed=False)
    try:
        request = IstioCertificateRequest.FromString(message)
    except DecodeError as error:
        raise CsrRefused("the request is not an IstioCertificateRequest", parsed=False) from error
    impersonated = request.metadata.fields["ImpersonatedIdentity"].string_value if request.HasField("metadata") else ""
    return Order(request.csr, request.validity_duration, impersonated)
