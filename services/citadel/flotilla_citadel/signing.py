"""What needs a root: the authority, Citadel's own certificate, and the certificate service on its port."""

from __future__ import annotations

from datetime import datetime

from flotilla_citadel.ca.grants import control_plane_grants
from flotilla_citadel.ca.lifetime import Lifetimes
from flotilla_citadel.ca.root import Root
from flotilla_citadel.ca.sign import Signer
from flotilla_citadel.callers.callers import Callers
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.callers.jwks import JwksFile
from flotilla_citadel.callers.token import TokenAuthenticator
from flotilla_citadel.callers.token_review import TokenReviewAuthenticator
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.servers.authority import Authority
from flotilla_citadel.servers.certificate_service import MAX_REQUEST_BYTES, METHOD, CertificateService
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_citadel.servers.metrics import CitadelMetrics
from flotilla_citadel.servers.own_certificate import OwnSigner
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.identity import WorkloadIdentity
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.serving import GrpcServer

ACCOUNT = "istio-citadel-service-account"


def build_callers(settings: CitadelSettings, root: Root, reviews: TokenReviewAuthenticator | None = None) -> Callers:
    """The ways to say who one is that the settings allow; `reviews` where the API server can be asked."""
    tokens = None
    if settings.oidc_jwks_file is not None:
        tokens = TokenAuthenticator(
            issuer=settings.oidc_issuer,
            audiences=settings.oidc_audiences,
            keys=JwksFile(settings.oidc_jwks_file),
            trust_domain=settings.trust_domain,
        )
    certificates = CertificateAuthenticator(root=root.certificate, trust_domain=settings.trust_domain)
    return Callers(certificates, tokens, reviews)


def build_authority(
    settings: CitadelSettings, root: Root, reviews: TokenReviewAuthenticator | None = None
) -> Authority:
    """The authority that signs with `root` by the rules of the settings."""
    grants = control_plane_grants(
        settings.granted_services,
        trust_domain=settings.trust_domain,
        namespace=settings.root_namespace,
        domain=settings.domain,
    )
    lifetimes = Lifetimes(settings.default_ttl, settings.max_ttl)
    return Authority(Signer(root), build_callers(settings, root, reviews), grants, lifetimes)


class Signing:
    """The parts that are made when there is a root. `add_to` puts them into a lifecycle, in their order."""

    def __init__(
        self,
        settings: CitadelSettings,
        root: Root,
        counted: CitadelMetrics,
        issued: IssuedLog,
        reviews: TokenReviewAuthenticator | None = None,
    ) -> None:
        self.authority = build_authority(settings, root, reviews)
        name = spiffe_id(settings.trust_domain, settings.root_namespace, settings.service_account or ACCOUNT)
        own = OwnSigner(self.authority, name, issued)
        self.identity = WorkloadIdentity(own, name, settings.certificate_ttl_seconds)
        self.service = CertificateService(self.authority, counted, issued)
        self.server = GrpcServer(
            settings.address,
            settings.port,
            identity=self.identity,
            client_certificate="optional",
            batch={METHOD: self.service},
            # What is a little too long gets our sentence; what is far too long is not read at all.
            max_receive_bytes=4 * MAX_REQUEST_BYTES,
            front=settings.front,
        )
        self._watch_expiry(counted)

    def add_to(self, lifecycle: Lifecycle) -> None:
        lifecycle.add(self.identity, "own certificate")
        lifecycle.add(self.service, "certificate requests")
        lifecycle.add(self.server, "certificate service")

    def _watch_expiry(self, counted: CitadelMetrics) -> None:
        """The gauges of what can end: the root, the signing chain (the root alone), our own certificate."""
        root_end = self.authority.signer.root.certificate.not_valid_after_utc
        counted.expires("citadel_server_root_cert", "the root certificate", lambda: root_end)
        counted.expires("citadel_server_cert_chain", "the signing certificate", lambda: root_end)
        counted.expires("citadel_server_serving_cert", "Citadel's own serving certificate", self._own_end)

    def _own_end(self) -> datetime | None:
        current = self.identity.current
        return None if current is None else current.not_after
