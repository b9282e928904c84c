"""Citadel, wired: settings in, components joined, started and stopped in order.

    monitoring, introspection -> own certificate -> certificate service (8060) -> root published

The root is loaded (or made) before anything listens, and published after the service listens: whoever finds
`root-cert.pem` can ask for a certificate.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from flotilla_citadel.ca.grants import control_plane_grants
from flotilla_citadel.ca.lifetime import Lifetimes
from flotilla_citadel.ca.root import Root, make_root
from flotilla_citadel.ca.sign import Signer
from flotilla_citadel.callers.callers import Callers
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.callers.jwks import JwksFile
from flotilla_citadel.callers.token import TokenAuthenticator
from flotilla_citadel.config import CitadelSettings
from flotilla_citadel.errors import StartRefused
from flotilla_citadel.publish.root_file import publish_root
from flotilla_citadel.servers.authority import Authority
from flotilla_citadel.servers.certificate_service import MAX_REQUEST_BYTES, METHOD, CertificateService
from flotilla_citadel.servers.issued import IssuedLog
from flotilla_citadel.servers.metrics import CitadelMetrics
from flotilla_citadel.servers.own_certificate import OwnSigner
from flotilla_citadel.store.establish import establish_root
from flotilla_citadel.store.file import FileStore
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import WorkloadIdentity
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.monitoring import monitoring_app, version_info
from flotilla_shared.runtime.readiness import Condition, Readiness
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.settings import describe

SERVICE = "citadel"
ACCOUNT = "istio-citadel-service-account"

_log = get_logger(__name__)


async def serve(settings: CitadelSettings) -> int:
    """Run Citadel until it is told to stop; gives the process's exit code."""
    try:
        citadel = Citadel(settings)
    except StartRefused as refused:
        _log.error("citadel cannot start", error=str(refused))
        return 1
    return await citadel.lifecycle.run()


def load_root(settings: CitadelSettings) -> Root:
    """The root of the store, made if there is none. Blocking. Raises StartRefused."""
    now = datetime.now(UTC)
    store = FileStore(settings.store_dir)
    root, created = establish_root(store, lambda: make_root(settings.trust_domain, now), now)
    _log.info(
        "root made" if created else "root loaded",
        place=store.place,
        serial=f"{root.certificate.serial_number:x}",
        expires=root.certificate.not_valid_after_utc.isoformat(),
    )
    return root


def build_callers(settings: CitadelSettings, root: Root) -> Callers:
    """The ways to say who one is that the settings allow."""
    tokens = None
    if settings.oidc_jwks_file is not None:
        tokens = TokenAuthenticator(
            issuer=settings.oidc_issuer,
            audiences=settings.oidc_audiences,
            keys=JwksFile(settings.oidc_jwks_file),
            trust_domain=settings.trust_domain,
        )
    certificates = CertificateAuthenticator(root=root.certificate, trust_domain=settings.trust_domain)
    return Callers(certificates, tokens)


def build_authority(settings: CitadelSettings, root: Root) -> Authority:
    """The authority that signs with `root` by the rules of the settings."""
    grants = control_plane_grants(
        settings.granted_services,
        trust_domain=settings.trust_domain,
        namespace=settings.root_namespace,
        domain=settings.domain,
    )
    lifetimes = Lifetimes(settings.default_ttl, settings.max_ttl)
    return Authority(Signer(root), build_callers(settings, root), grants, lifetimes)


class RootPublisher:
    """A component that publishes the root when it starts, and leaves it there when it stops."""

    def __init__(self, path: Path, pem: str, published: Condition) -> None:
        self._path = path
        self._pem = pem
        self._published = published

    async def start(self) -> None:
        await asyncio.to_thread(publish_root, self._path, self._pem)
        self._published.met()
        _log.info("root published", file=str(self._path))

    async def stop(self) -> None:
        pass


class Citadel:
    """All parts of one Citadel. Made without being started; `lifecycle` starts and stops it.

    Raises StartRefused when the root cannot be used. `authority` is there for a process that holds several
    services and asks without a network.
    """

    def __init__(self, settings: CitadelSettings) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics(SERVICE)
        self._counted = CitadelMetrics(self.metrics)
        self.readiness = Readiness()
        self.issued = IssuedLog()
        self.authority = build_authority(settings, load_root(settings))
        self.identity = self._own_identity()
        self.server = self._certificate_server()
        self.lifecycle = self._lifecycle()
        self._watch_expiry()

    def _own_identity(self) -> WorkloadIdentity:
        settings = self.settings
        account = settings.service_account or ACCOUNT
        identity = spiffe_id(settings.trust_domain, settings.root_namespace, account)
        signer = OwnSigner(self.authority, identity, self.issued)
        return WorkloadIdentity(signer, identity, settings.certificate_ttl_seconds)

    def _certificate_server(self) -> GrpcServer:
        service = CertificateService(self.authority, self._counted, self.issued)
        return GrpcServer(
            self.settings.address,
            self.settings.port,
            identity=self.identity,
            client_certificate="optional",
            batch={METHOD: service},
            # What is a little too long gets our sentence; what is far too long is not read at all.
            max_receive_bytes=4 * MAX_REQUEST_BYTES,
        )

    def _lifecycle(self) -> Lifecycle:
        settings = self.settings
        monitoring = monitoring_app(self.metrics, self.readiness, version_info())
        introspection = introspection_app(
            SERVICE, describe(settings), self.readiness, {"certificates": self.issued.view}
        )
        published = RootPublisher(
            settings.root_file, self.authority.signer.root_pem, self.readiness.condition("root published")
        )
        self.readiness.condition("signer loaded").met()
        lifecycle = Lifecycle()
        lifecycle.add(HttpServer(monitoring, settings.address, settings.monitoring_port), "monitoring")
        lifecycle.add(
            HttpServer(introspection, settings.loopback_address, settings.introspection_port), "introspection"
        )
        lifecycle.add(self.identity, "own certificate")
        lifecycle.add(self.server, "certificate service")
        lifecycle.add(published, "root publisher")
        return lifecycle

    def _watch_expiry(self) -> None:
        """The gauges of what can end: the root, the signing chain (the root alone), our own certificate."""
        root_end = self.authority.signer.root.certificate.not_valid_after_utc
        watch = self._counted.expires
        watch("citadel_server_root_cert", "the root certificate", lambda: root_end)
        watch("citadel_server_cert_chain", "the signing certificate", lambda: root_end)
        watch("citadel_server_serving_cert", "Citadel's own serving certificate", self._own_end)

    def _own_end(self) -> datetime | None:
        current = self.identity.current
        return None if current is None else current.not_after
