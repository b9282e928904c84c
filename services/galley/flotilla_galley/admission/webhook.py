"""The webhook: reviews over HTTPS to decisions, counted under Istio's names."""

from __future__ import annotations

from pathlib import Path

from flotilla_galley.admission.decide import Decision, decide
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.kube.admission import AdmissionAnswer, AdmissionRequest, Reply
from flotilla_shared.runtime.kube.admission_server import AdmissionServer
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.kube.objects import WebhookConfiguration
from flotilla_shared.runtime.kube.resources import VALIDATING_WEBHOOKS
from flotilla_shared.runtime.kube.webhook import CaBundlePatcher
from flotilla_shared.runtime.metrics import ServiceMetrics

PATH = "/validate"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RESOURCE = ("group", "version", "resource")


class ValidationMetrics:
    """`galley_validation_*` as Istio has them; safe to use from the threads that decide."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        counter = metrics.counter
        self._passed = counter("galley_validation_passed", "Reviews of objects that were allowed", _RESOURCE)
        self._failed = counter(
            "galley_validation_failed", "Reviews of objects that were refused", (*_RESOURCE, "reason")
        )
        self._http_errors = counter("galley_validation_http_error", "Reviews that were no reviews", ["status"])
        self._certificates = counter("galley_validation_cert_key_updates", "Certificates that the webhook has shown")
        self._bad_certificates = counter(
            "galley_validation_cert_key_update_errors", "Certificates that cannot be used", ["error"]
        )
        self._loaded = counter("galley_validation_config_load", "Looks at the webhook's configuration")
        self._not_loaded = counter("galley_validation_config_load_error", "Looks that found none", ["reason"])
        self._seconds = metrics.histogram(
            "galley_validation_duration_seconds", "Time from a review's head to its answer", ["result"], BUCKETS
        )
        self._patched = counter("galley_validation_config_updates", "Times that the caBundle was patched")
        self._not_patched = counter("galley_validation_config_update_error", "Times that it could not be", ["reason"])

    def decided(self, request: AdmissionRequest, decision: Decision) -> None:
        where = (request.resource.group, request.resource.version, request.resource.resource)
        if decision.reason:
            self._failed.labels(*where, decision.reason).inc()
        else:
            self._passed.labels(*where).inc()

    def replied(self, reply: Reply) -> None:
        if reply.error:
            self._http_errors.labels(str(reply.status)).inc()
        self._seconds.labels("error" if reply.error else "reviewed").observe(reply.seconds)

    def certificate(self) -> None:
        self._certificates.inc()

    def bad_certificate(self, error: str) -> None:
        self._bad_certificates.labels(error).inc()

    def looked(self, found: bool) -> None:
        if found:
            self._loaded.inc()
        else:
            self._not_loaded.labels("missing").inc()

    def patched(self, ok: bool) -> None:
        if ok:
            self._patched.inc()
        else:
            self._not_patched.labels("api_server").inc()


def admission_server(
    identity: IdentitySource, address: str, port: int, metrics: ValidationMetrics, linger_seconds: float = 0
) -> AdmissionServer:
    """HTTPS on the webhook's port with the service's identity."""

    def answer(request: AdmissionRequest, path: str) -> AdmissionAnswer:
        decision = decide(request)
        metrics.decided(request, decision)
        return decision.answer

    return AdmissionServer(
        identity,
        {PATH: answer},
        address,
        port,
        on_reply=metrics.replied,
        linger_seconds=linger_seconds,
        on_bad_certificate=metrics.bad_certificate,
    )


class TrustedByApiServer:
    """Component. Keeps the caBundle of the ValidatingWebhookConfiguration equal to the mesh's root."""

    def __init__(
        self,
        client: KubeClient,
        configuration_name: str,
        root_cert_file: Path,
        identity: IdentitySource,
        metrics: ValidationMetrics,
        kube_metrics: KubeMetrics,
    ) -> None:
        self._file = root_cert_file
        self._identity = identity
        self._metrics = metrics
        self._patcher = CaBundlePatcher(
            client,
            VALIDATING_WEBHOOKS,
            configuration_name,
            self.root,
            on_patched=metrics.patched,
            on_looked=metrics.looked,
            metrics=kube_metrics,
        )
        self._end = identity.subscribe(lambda certificate: self._renewed())

    @property
    def state(self) -> str:
        return self._patcher.state

    @property
    def current(self) -> bool:
        """Whether the API server trusts us, as far as is known."""
        return self._patcher.current

    @property
    def configuration(self) -> WebhookConfiguration | None:
        """As it is now; None where there is none."""
        return self._patcher.configuration

    def root(self) -> bytes:
        """The mesh's root: as the kubelet has it for all replicas, else as this one's certificate came with it."""
        try:
            found = self._file.read_bytes()
        except OSError:
            found = b""
        if b"-----BEGIN CERTIFICATE-----" in found:
            return found
        current = self._identity.current
        return current.root_pem if current is not None else b""

    def _renewed(self) -> None:
        self._metrics.certificate()
        self._patcher.root_changed()

    async def start(self) -> None:
        """Begin; returns at once."""
        await self._patcher.start()

    async def stop(self) -> None:
        self._end()
        self._end = lambda: None
        await self._patcher.stop()
