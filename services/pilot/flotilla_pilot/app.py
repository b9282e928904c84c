"""Pilot, wired: settings in, components joined, started and stopped in order.

    monitoring, introspection, debug -> identity -> compiling thread -> ADS (15012) -> delivery
    -> snapshots -> on Kubernetes: its services, the injection webhook (15017) -> Galley: configuration in (MCP), status out

It stops in reverse: Galley first, then every stream with UNAVAILABLE, then the port.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import grpc

from flotilla_pilot.compile.containment import ContainedCompiler
from flotilla_pilot.config import PilotSettings
from flotilla_pilot.debug.explain import explain_topic
from flotilla_pilot.debug.topics import Query, Topic, debug_topics
from flotilla_pilot.delivery.compiling import CompilingThread
from flotilla_pilot.delivery.connection import Patience
from flotilla_pilot.delivery.delivery import Delivery
from flotilla_pilot.delivery.metrics import DeliveryMetrics
from flotilla_pilot.delivery.publication import Publication
from flotilla_pilot.model.snapshot import COLLECTIONS, MeshSettings
from flotilla_pilot.registries.condition import registry_condition
from flotilla_pilot.registries.conversion import Cluster
from flotilla_pilot.registries.kubernetes import KubernetesRegistry
from flotilla_pilot.servers.ads import AdsService
from flotilla_pilot.servers.debug import debug_app
from flotilla_pilot.servers.injection import InjectionWebhook
from flotilla_pilot.sources.metrics import SourceMetrics
from flotilla_pilot.sources.native import NO_NATIVE_MESH
from flotilla_pilot.sources.snapshots import SnapshotBuilder
from flotilla_pilot.status.reporter import StatusReporter
from flotilla_protos.istio.mesh.v1alpha1.config_pb2 import MeshConfig
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.conditions import certificate_condition, configuration_condition
from flotilla_shared.runtime.debounce import Debounce
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import CertificateSigner, IdentitySource, WorkloadIdentity
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.logs import get_logger
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.monitoring import monitoring_app, version_info
from flotilla_shared.runtime.readiness import Readiness
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.settings import describe
from flotilla_shared.runtime.streams.carrier import ConfigurationSource, DirectClient
from flotilla_shared.runtime.streams.mcp_client import McpClient
from flotilla_shared.runtime.streams.status import DirectStatus, StatusClient, StatusReceiver
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.tls import open_channel
from flotilla_shared.runtime.trace import HopRecorder

SERVICE = "pilot"
ACCOUNT = "istio-pilot-service-account"
_NO_MESH_CONFIG = MeshConfig()


async def serve(settings: PilotSettings) -> int:
    """Run Pilot until it is told to stop; gives the process's exit code."""
    return await Pilot(settings).lifecycle.run()


_log = get_logger(__name__)


class Pilot:
    """All parts of one Pilot. Made on the event loop without being started; `lifecycle` starts and stops it.

    The neighbours are reached over the wire, but for those that are given: a process that holds several services
    gives its Citadel's signer, and its Galley as source and as receiver of status.
    """

    def __init__(
        self,
        settings: PilotSettings,
        *,
        signer: CertificateSigner | None = None,
        source: ConfigurationSource | None = None,
        receiver: StatusReceiver | None = None,
    ) -> None:
        self.settings = settings
        self.metrics = ServiceMetrics(SERVICE)
        self.readiness = Readiness()
        self.trace = HopRecorder(SERVICE)
        self.identity = self._own_identity(signer)
        self.published = asyncio.Event()
        self._delivery_metrics = DeliveryMetrics(self.metrics)
        self.thread = CompilingThread(ContainedCompiler(on_contained=self._left_out), self._left_out)
        self._source_metrics = SourceMetrics(self.metrics)
        self.delivery = self._delivery()
        self.debounce = Debounce(settings.debounce_seconds, settings.debounce_max_seconds)
        self.store = ObjectStore(SERVICE, COLLECTIONS, self.trace, self._configuration_changed)
        self.registry = self._registry()
        self.injection = self._injection()
        self.galley = self._galley(source)
        self.status = self._status(receiver)
        self.server = self._ads_server()
        self.topics = debug_topics(self.delivery, self.trace)
        answered = {**self.topics, "explain": explain_topic(self.delivery)}
        self.debug = HttpServer(debug_app(self.readiness, answered), settings.loopback_address, settings.debug_port)
        self._source_metrics.galley_connected.set_function(lambda: float(self.galley.connected))
        self.lifecycle = self._lifecycle()

    @cached_property
    def kube_metrics(self) -> ApiServerMetrics:
        """Of all reflectors, on Kubernetes."""
        return ApiServerMetrics(self.metrics)

    def _own_identity(self, signer: CertificateSigner | None) -> WorkloadIdentity:
        settings = self.settings
        name = spiffe_id(settings.trust_domain, settings.root_namespace, settings.service_account or ACCOUNT)
        over_the_wire = CitadelClient(
            settings.citadel_address,
            settings.server_name("citadel", settings.citadel_server_name),
            settings.root_cert_file,
            settings.token_file,
        )
        return WorkloadIdentity(signer or over_the_wire, name, settings.certificate_ttl_seconds)

    def _delivery(self) -> Delivery:
        settings = self.settings
        return Delivery(
            self.thread,
            self._delivery_metrics,
            self.trace,
            Patience(write=settings.send_timeout_seconds, warming=settings.warming_seconds),
            settings.probe_seconds,
        )

    def _left_out(self, key: ObjectKey) -> None:
        """Called on the compiling thread, with the exception at hand."""
        self._delivery_metrics.left_out.inc()
        _log.exception("an object cannot be compiled and is left out; all others are served", object=str(key))

    def _registry(self) -> KubernetesRegistry | None:
        """On Kubernetes, its services; raises ConnectionSettingsError where there is no way to an API server."""
        if self.settings.platform != "kubernetes":
            return None
        client, cluster = open_client(self.settings, SERVICE), Cluster(self.settings.domain, self.settings.trust_domain)
        found = KubernetesRegistry(client, cluster, self._endpoints_changed, self.kube_metrics)
        self._source_metrics.endpoints_without_pod.set_function(lambda: float(found.waiting))
        return found

    def _galley(self, source: ConfigurationSource | None) -> McpClient | DirectClient:
        if source is not None:
            return DirectClient(source, self.identity.spiffe_id, COLLECTIONS, self.store)
        client = McpClient(
            open_channel=self._channel_to_galley,
            node_id=self.identity.spiffe_id,
            collections=COLLECTIONS,
            consumer=self.store,
        )
        self.identity.subscribe(lambda _: client.renew())
        return client

    def _status(self, receiver: StatusReceiver | None) -> StatusClient | DirectStatus:
        if receiver is not None:
            return DirectStatus(receiver, self.identity.spiffe_id, _reporter())
        return StatusClient(open_channel=self._channel_to_galley, reporter=_reporter())

    def _channel_to_galley(self) -> grpc.aio.Channel:
        """Raises RuntimeError while there is no certificate; clients then try again."""
        settings = self.settings
        return _channel(
            settings.galley_address, settings.server_name("galley", settings.galley_server_name), self.identity
        )

    def _ads_server(self) -> GrpcServer:
        ads = AdsService(self.delivery, self._delivery_metrics, self.settings.trust_domain, self._unready)
        return GrpcServer(
            self.settings.address,
            self.settings.xds_port,
            identity=self.identity,
            client_certificate="optional",
            generic_handlers=[ads.handler()],
            max_receive_bytes=self.settings.max_request_bytes,
        )

    def _builder(self) -> SnapshotBuilder:
        settings = self.settings
        return SnapshotBuilder(
            self.store,
            self.debounce,
            self.thread,
            MeshSettings(**settings.of_mesh()),
            self.trace,
            self._publish,
            self._delivery_metrics.internal_errors.inc,
            self.registry or NO_NATIVE_MESH,
        )

    def _injection(self) -> InjectionWebhook | None:
        """On Kubernetes; raises ConnectionSettingsError where there is no way to an API server."""
        if self.settings.platform != "kubernetes":
            return None
        client = open_client(self.settings, SERVICE)
        return InjectionWebhook(
            self.settings, self.identity, client, self._mesh_config, self.metrics, self.kube_metrics
        )

    def _mesh_config(self) -> MeshConfig | None:
        """What Galley last said, the default where it has none; None while it has not said."""
        if kinds.MESH_CONFIG in self.store.missing:
            return None
        item = next(iter(self.store.objects[kinds.MESH_CONFIG].values()), None)
        return item.spec if item is not None and isinstance(item.spec, MeshConfig) else _NO_MESH_CONFIG

    def _lifecycle(self) -> Lifecycle:
        settings, readiness = self.settings, self.readiness
        monitoring = monitoring_app(self.metrics, readiness, version_info())
        introspection = introspection_app(SERVICE, describe(settings), readiness, _as_pages(self.topics))
        certificate = certificate_condition(readiness.condition("certificate"), self.identity)
        configuration = configuration_condition(
            readiness.condition("configuration"),
            self.published,
            lambda: self.store.missing,
            lambda: self.galley.last_error,
        )
        lifecycle = Lifecycle()
        if self.registry is not None:
            lifecycle.add(registry_condition(readiness.condition("kubernetes"), self.registry), "kubernetes condition")
        lifecycle.add(HttpServer(monitoring, settings.address, settings.monitoring_port), "monitoring")
        lifecycle.add(
            HttpServer(introspection, settings.loopback_address, settings.introspection_port), "introspection"
        )
        lifecycle.add(self.debug, "debug")
        lifecycle.add(certificate, "certificate condition")
        lifecycle.add(configuration, "configuration condition")
        lifecycle.add(self.identity, "identity")
        lifecycle.add(self.thread, "compiling thread")
        lifecycle.add(self.server, "ADS")
        lifecycle.add(self.delivery, "delivery")
        lifecycle.add(self._builder(), "snapshots")
        lifecycle.add(self.status, "status")
        lifecycle.add(StatusReporter(self.delivery, self.status.update), "status reporter")
        if self.registry is not None:
            lifecycle.add(self.registry, "kubernetes")
        if self.injection is not None:
            lifecycle.add(self.injection, "injection webhook")
        lifecycle.add(self.galley, "Galley")
        return lifecycle

    def _endpoints_changed(self) -> None:
        self._source_metrics.updates.labels("eds").inc()
        self.debounce.touch()

    def _configuration_changed(self) -> None:
        self._source_metrics.updates.labels("config").inc()
        self.debounce.touch()

    def _publish(self, publication: Publication) -> None:
        self._source_metrics.publish(publication.snapshot)
        self.delivery.publish(publication)
        self.published.set()

    def _unready(self) -> str:
        """Why no proxy may be answered; empty when they may."""
        if self.delivery.stopping:
            return "it is stopping"
        if self.delivery.publication is not None:
            return ""
        return "; ".join(f"{name}: {reason}" for name, reason in self.readiness.unmet_reasons().items())


def _channel(address: str, server_name: str, identity: IdentitySource) -> grpc.aio.Channel:
    if identity.current is None:
        raise RuntimeError("there is no certificate yet")
    return open_channel(address, server_name, identity.current)


def _reporter() -> str:
    return f"{SERVICE}/{socket.gethostname()}-{os.getpid()}"


def _as_pages(topics: Mapping[str, Topic]) -> dict[str, Topic]:
    """The topics for the introspection page, where a question that cannot be answered is an answer too."""

    def page(topic: Topic) -> Topic:
        def ask(query: Query) -> Any:
            try:
                return topic(query)
            except (LookupError, ValueError) as error:
                return {"error": str(error)}

        return ask

    return {name: page(topic) if name == "config_dump" else topic for name, topic in topics.items()}
