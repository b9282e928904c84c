"""Galley, wired: settings in, components joined, started and stopped in order.

monitoring, introspection -> identity -> access list -> sources -> publisher -> MCP, ADS and status (9901) -> admission (9443)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prometheus_client import Gauge

from flotilla_galley.access_file import AccessFile
from flotilla_galley.config import GalleySettings
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.mcp import McpService
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.view import distribution_view
from flotilla_galley.distribution.xds import XdsService
from flotilla_galley.outgoing import sink_dialer, stream_limits
from flotilla_galley.platforms.platform import Platform
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.last_good import LastGood
from flotilla_galley.snapshot.metrics import RuntimeMetrics
from flotilla_galley.sources.reload_signal import ReloadOnSignal
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.service import StatusService, reporting_accounts
from flotilla_galley.status.view import objects_view, problems_view, snapshot_view, status_view
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.conditions import ConditionKeeper, certificate_condition
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import CertificateSigner, WorkloadIdentity
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.monitoring import monitoring_app, version_info
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.settings import describe
from flotilla_shared.runtime.trace import HopRecorder

SERVICE = "galley"
ACCOUNT = "istio-galley-service-account"

_log = get_logger(__name__)


async def serve(settings: GalleySettings) -> int:
    """Run Galley until it is told to stop; gives the process's exit code."""
    return await Galley(settings).lifecycle.run()


def _set_both(refused: Gauge, now_refused: int, kept: Gauge, now_kept: int) -> None:
    refused.set(now_refused)
    kept.set(now_kept)


class Galley:
    """All parts of one Galley. Made without being started; `lifecycle` starts and stops it.

    `distributor` is a ConfigurationSource and `board` a StatusReceiver for a process that holds several services,
    which gives its Citadel's `signer`; without one Citadel is asked over the wire.
    """

    def __init__(self, settings: GalleySettings, *, signer: CertificateSigner | None = None) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics(SERVICE)
        self.readiness = Readiness()
        self.trace = HopRecorder(SERVICE)
        self.board = StatusBoard()
        self.distributor = Distributor(lambda: self.access.current, self.trace)
        self.access = AccessFile(settings.access_file, self.distributor)
        self.identity = self._identity(signer)
        self.platform = self._platform()
        self.publisher = self._publisher()
        self.distribution = DistributionMetrics(self.metrics)
        self.limits = stream_limits(settings)
        self.server = self._server()
        self.lifecycle = self._lifecycle()

    def _identity(self, signer: CertificateSigner | None) -> WorkloadIdentity:
        settings = self.settings
        name = f"istio-citadel.{settings.root_namespace}.svc"
        client = CitadelClient(settings.citadel_address, name, settings.root_cert_file, settings.token_file)
        account = settings.service_account or ACCOUNT
        identity = spiffe_id(settings.trust_domain, settings.root_namespace, account)
        return WorkloadIdentity(signer or client, identity, settings.certificate_ttl_seconds)

    def _platform(self) -> Platform:
        """Imported here: neither platform needs what the other one does."""
        if self.settings.platform == "machine":
            from flotilla_galley.platforms.machine import Machine

            return Machine(self.settings)
        from flotilla_galley.platforms.cluster import Cluster

        return Cluster(self.settings, self.metrics, self.identity, self.board, lambda: self.publisher)

    def _publisher(self) -> Publisher:
        settings, sources = self.settings, self.platform.sources
        refused = self.metrics.gauge("galley_refused_objects", "Objects of which nothing is distributed")
        kept = self.metrics.gauge("galley_last_good_objects", "Objects that are distributed in an earlier version")
        return Publisher(
            objects=sources.objects,
            mesh=sources.mesh,
            further=sources.further,
            watched=sources.watched,
            told=sources.told,
            begun=sources.begun if sources.gradual else None,
            last_good=LastGood(settings.last_good_dir, self.distributor.resources),
            metrics=RuntimeMetrics(self.metrics),
            distributor=self.distributor,
            trace=self.trace,
            synced=self.readiness.condition("configuration read"),
            quiet_seconds=settings.debounce_seconds,
            longest_seconds=settings.debounce_max_seconds,
            on_problem=lambda now_refused, now_kept: _set_both(refused, now_refused, kept, now_kept),
            on_loaded=sources.on_loaded,
            on_read=sources.on_read,
        )

    def _server(self) -> GrpcServer:
        settings = self.settings
        mcp = McpService(self.distributor, self.distribution, self.limits)
        xds = XdsService(self.distributor, self.distribution, self.limits)
        accounts = reporting_accounts(settings.trust_domain, settings.root_namespace)
        return GrpcServer(
            settings.address,
            settings.mcp_port,
            identity=self.identity,
            client_certificate="required",
            generic_handlers=(mcp, xds, StatusService(self.board, accounts, taking=self.platform.taking)),
            max_receive_bytes=settings.mcp_max_request_bytes,
            grace_seconds=0.2,
        )

    def _lifecycle(self) -> Lifecycle:
        settings = self.settings
        monitoring = monitoring_app(self.metrics, self.readiness, version_info())
        introspection = introspection_app(SERVICE, describe(settings), self.readiness, self._topics())
        certificate = certificate_condition(self.readiness.condition("certificate"), self.identity)
        lifecycle = Lifecycle()
        lifecycle.add(HttpServer(monitoring, settings.address, settings.monitoring_port), "monitoring")
        lifecycle.add(
            HttpServer(introspection, settings.loopback_address, settings.introspection_port), "introspection"
        )
        lifecycle.add(certificate, "certificate readiness")
        lifecycle.add(self.identity, "identity")
        lifecycle.add(self.access, "access list")
        self.platform.add_before(lifecycle)
        lifecycle.add(self._configuration(), "configuration readiness")
        lifecycle.add(self.publisher, "publisher")
        lifecycle.add(ReloadOnSignal(self.publisher.touch), "reload by signal")
        lifecycle.add(self.server, "MCP")
        if settings.sink_address:
            lifecycle.add(sink_dialer(settings, self.identity, self.distributor, self.distribution), "sink")
        self.platform.add_after(lifecycle)
        return lifecycle

    def _topics(self) -> dict[str, Callable[..., object]]:
        return {
            "status": self._status,
            "problems": self._problems,
            "snapshot": self._snapshot,
            "objects": self._objects,
            "subscribers": self.distributor.view,
            "distribution": lambda: distribution_view(self.distributor),
            "trace": self.trace.topic,
            **self.platform.topics(),
        }

    def _configuration(self) -> ConditionKeeper:
        """Says, until the first publication, what is waited for."""
        condition = self.readiness.condition("configuration read")

        def done() -> asyncio.Future[object]:
            return asyncio.ensure_future(self.publisher.published.wait())

        return ConditionKeeper(condition, done, self.platform.sources.missing)

    def _status(self, query: dict[str, str]) -> object:
        return status_view(self.publisher.ledgers, self.distributor.snapshot, self.board, query)

    def _objects(self, query: dict[str, str]) -> object:
        return objects_view(self.distributor.snapshot, query)

    def _problems(self) -> object:
        return problems_view(self.publisher.ledgers)

    def _snapshot(self) -> object:
        return snapshot_view(self.distributor.snapshot)
