"""Refusals: bounded lines in the log, one answer and one count for each kind."""

from __future__ import annotations

import grpc
import pytest
import structlog.testing

from flotilla_citadel import errors
from flotilla_citadel.servers.certificate_service import _ANSWERS, bearer_token, read_order
from flotilla_citadel.servers.metrics import CitadelMetrics
from flotilla_citadel.servers.refusal_log import RefusalLog
from flotilla_protos.istio.security.v1alpha1.ca_pb2 import IstioCertificateRequest
from flotilla_shared.runtime.line_limit import LINES_A_SECOND
from flotilla_shared.runtime.metrics import ServiceMetrics

KINDS = {
    errors.CallerRefused("expired-token", "text"): (grpc.StatusCode.UNAUTHENTICATED, "authentication_failure_count"),
    errors.ImpersonationRefused("text"): (grpc.StatusCode.UNAUTHENTICATED, "authentication_failure_count"),
    errors.KeysUnavailable("text"): (grpc.StatusCode.UNAVAILABLE, "authentication_failure_count"),
    errors.CsrRefused("text", parsed=False): (grpc.StatusCode.INVALID_ARGUMENT, "csr_parsing_err_count"),
    errors.CsrRefused("text", foreign_names=True): (grpc.StatusCode.INVALID_ARGUMENT, "id_extraction_err_count"),
    errors.CsrRefused("text"): (grpc.StatusCode.INVALID_ARGUMENT, 'csr_sign_err_count{error="csr"}'),
    errors.LifetimeRefused("text"): (grpc.StatusCode.INVALID_ARGUMENT, 'csr_sign_err_count{error="ttl"}'),
    errors.SignerUnusable("text"): (grpc.StatusCode.INTERNAL, 'csr_sign_err_count{error="signer"}'),
}


@pytest.mark.parametrize(("refused", "answer"), KINDS.items(), ids=lambda each: type(each).__name__)
def test_each_kind_has_its_answer_and_its_count(
    refused: errors.RequestRefused, answer: tuple[grpc.StatusCode, str]
) -> None:
    code, counter = answer
    metrics = ServiceMetrics("citadel")
    CitadelMetrics(metrics).refused(refused)
    assert f"citadel_server_{counter} 1.0\n" in metrics.render().decode()
    assert _ANSWERS[type(refused)][0] is code


def test_no_kind_is_forgotten() -> None:
    assert set(_ANSWERS) == set(errors.RequestRefused.__subclasses__())


def test_the_log_is_bounded_and_says_what_it_left_out() -> None:
    now = [10.0]
    log = RefusalLog(clock=lambda: now[0])
    refused = errors.CallerRefused("foreign-token", "not ours", detail="more")
    with structlog.testing.capture_logs() as lines:
        for _ in range(LINES_A_SECOND + 5):
            log.refused(refused, "127.0.0.1:1", None)
        now[0] = 11.0
        log.refused(refused, "127.0.0.1:1", None)
        log.refused(refused, "127.0.0.1:1", None)
    assert len(lines) == LINES_A_SECOND + 2
    assert [line["not_logged"] for line in lines[-3:]] == [0, 5, 0]
    assert (lines[0]["reason"], lines[0]["text"], lines[0]["detail"]) == ("foreign-token", "not ours", "more")


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        ((), None),
        ((("authorization", "Bearer abc"),), "abc"),
        ((("authorization", "bearer  abc "),), "abc"),
        ((("authorization", "Basic abc"),), None),
        ((("authorization", "Basic abc"), ("authorization", "Bearer one"), ("authorization", "Bearer two")), "one"),
        ((("authorization", "Bearer"),), ""),
        ((("authorization-bin", b"Bearer abc"), ("clusterid", "Kubernetes")), None),
    ],
)
def test_the_bearer_token(metadata: tuple[tuple[str, str | bytes], ...], token: str | None) -> None:
    assert bearer_token(metadata) == token


def test_an_order_is_read_from_bytes() -> None:
    request = IstioCertificateRequest(csr="csr", subject_id="ignored", validity_duration=60)
    request.metadata.update({"ImpersonatedIdentity": "spiffe://x/ns/a/sa/b", "CertSigner": "any"})
    order = read_order(request.SerializeToString())
    assert (order.csr_pem, order.seconds, order.impersonated) == ("csr", 60, "spiffe://x/ns/a/sa/b")
    assert read_order(b"").csr_pem == ""
