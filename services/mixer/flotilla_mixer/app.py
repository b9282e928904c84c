"""Mixer, wired: settings in, components joined, started and stopped in order.

    monitoring, introspection, the prometheus page -> identity -> the swap of tables -> Checks and logs (15004)
    -> configuration -> Pods and Services, on Kubernetes -> Galley: configuration in (MCP), status out

It stops in reverse: Galley first, then the port, and last the handlers, when nobody calls them any more.
"""

from __future__ import annotations

import asyncio
import os
import socket
from functools import partial

import grpc

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.adapters.prometheus.page import metrics_app
from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.adapters.redisquota.settings import SharedRedis
from flotilla_mixer.adapters.remote.connect import Connector
from flotilla_mixer.config import MixerSettings
from flotilla_mixer.configuration.build import asked_collections
from flotilla_mixer.configuration.options import Options
from flotilla_mixer.debug.questions import questions_router
from flotilla_mixer.debug.tap import Tap
from flotilla_mixer.debug.topics import debug_topics
from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.secrets import SecretFolders
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.ports import serving, shed_settings
from flotilla_mixer.servers.access_logs import AccessLogs
from flotilla_mixer.servers.ext_authz import METHOD, ExtAuthz
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.servers.ratelimit import METHOD as LIMIT
from flotilla_mixer.servers.ratelimit import RateLimits
from flotilla_mixer.shedding.throttle import Throttle
from flotilla_mixer.sources.cluster import ClusterWatch
from flotilla_mixer.sources.decode import from_response
from flotilla_mixer.sources.follow import ConfigurationFollower
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.status.states import object_states
from flotilla_shared.model.spiffe import spiffe_id
from flotilla_shared.runtime.citadel_client import CitadelClient
from flotilla_shared.runtime.conditions import certificate_condition, configuration_condition
from flotilla_shared.runtime.debounce import Debounce
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.identity import CertificateSigner, WorkloadIdentity
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.connection import ConnectionSettingsError
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

SERVICE = "mixer"
ACCOUNT = "istio-mixer-service-account"

_log = get_logger(__name__)


async def serve(settings: MixerSettings) -> int:
    """Run Mixer until it is told to stop; gives the process's exit code."""
    try:
        mixer = Mixer(settings)
    except ConnectionSettingsError as error:
        _log.error("mixer cannot start", error=str(error))
        return 1
    return await mixer.lifecycle.run()


class Mixer:
    """All parts of one Mixer. Made on the event loop without being started; `lifecycle` starts and stops it.

    The neighbours are reached over the wire, but for those that are given: a process that holds several services
    gives its Citadel's signer, and its Galley as source and as receiver of status. Raises ConnectionSettingsError where
    the settings lead to no API server, on Kubernetes.
    """

    def __init__(
        self,
        settings: MixerSettings,
        *,
        signer: CertificateSigner | None = None,
        source: ConfigurationSource | None = None,
        receiver: StatusReceiver | None = None,
    ) -> None:
        self.settings = settings
        self.service_metrics = ServiceMetrics(SERVICE)
        self.metrics = MixerMetrics(self.service_metrics)
        self.readiness = Readiness()
        self.trace = HopRecorder(SERVICE)
        self.published = asyncio.Event()
        self.identity = self._own_identity(signer)
        self.adapters = dict(load_adapters())
        self.tap = Tap()
        self._lend_redis()
        self.swap = Swap(
            settings.default_namespace or settings.root_namespace,
            self.metrics.handlers,
            settings.flush_seconds,
            SecretFolders(settings.secret_folders),
        )
        self.debounce = Debounce(settings.debounce_seconds, settings.debounce_max_seconds)
        self.collections = asked_collections(
            adapter_kinds=settings.use_adapter_crds, template_kinds=settings.use_template_crds
        )
        self.store = ObjectStore(SERVICE, self.collections, self.trace, self.debounce.touch)
        self.cluster = self._cluster()
        self.galley = self._galley(source)
        self.status = self._status(receiver)
        self.server = self._server()
        self.metrics.rpcs.also(self.server.tallies)
        self.plaintext: GrpcServer | None = None
        self.prometheus_page: HttpServer | None = None
        self.metrics.workloads.set_function(self._workloads)
        self.metrics.galley_connected.set_function(lambda: float(self.galley.connected))
        self.lifecycle = self._lifecycle()

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

    def _lend_redis(self) -> None:
        """Handlers of quotas that name no Redis have the one of the settings."""
        found, settings = self.adapters.get(Redisquota.name), self.settings
        if isinstance(found, Redisquota):
            found.shared = SharedRedis(
                settings.redis_address,
                settings.redis_username,
                settings.redis_password_file,
                settings.redis_tls,
                settings.redis_ca_file,
            )

    def _cluster(self) -> ClusterWatch | None:
        settings = self.settings
        if settings.platform != "kubernetes":
            return None
        return ClusterWatch(
            open_client(settings, SERVICE),
            trust_domain=settings.trust_domain,
            domain=settings.domain,
            metrics=ApiServerMetrics(self.service_metrics),
            on_synced=self.debounce.touch,
        )

    def _galley(self, source: ConfigurationSource | None) -> McpClient | DirectClient:
        if source is not None:
            return DirectClient(source, self.identity.spiffe_id, self.collections, self.store)
        client = McpClient(
            open_channel=self._channel_to_galley,
            node_id=self.identity.spiffe_id,
            collections=self.collections,
            consumer=self.store,
            decode=from_response,
        )
        self.identity.subscribe(lambda _: client.renew())
        return client

    def _status(self, receiver: StatusReceiver | None) -> StatusClient | DirectStatus:
        reporter = f"{SERVICE}/{socket.gethostname()}-{os.getpid()}"
        if receiver is not None:
            return DirectStatus(receiver, self.identity.spiffe_id, reporter)
        return StatusClient(open_channel=self._channel_to_galley, reporter=reporter)

    def _channel_to_galley(self) -> grpc.aio.Channel:
        """Raises RuntimeError while there is no certificate; clients then try again."""
        settings = self.settings
        if self.identity.current is None:
            raise RuntimeError("there is no certificate yet")
        return open_channel(
            settings.galley_address,
            settings.server_name("galley", settings.galley_server_name),
            self.identity.current,
        )

    def _server(self) -> GrpcServer:
        failures = Failures(self.metrics)
        checks, reports = CheckDispatcher(failures), ReportDispatcher(failures)
        self.throttle = Throttle(shed_settings(self.settings), self.metrics)
        self.metrics.wait.set_function(lambda: self.throttle.pressure)
        gate = Gate(self.throttle, self.settings.report_queue_entries)
        logs = AccessLogs(self._table, reports, self.metrics, gate, self.tap)
        quotas = QuotaDispatcher(failures)
        self.native = partial(
            NativeMixer,
            self._table,
            checks,
            quotas,
            reports,
            self.metrics,
            gate=gate,
            tap=self.tap,
            separate_quota_calls=self.settings.separate_quota_calls,
        )
        asked = ExtAuthz(self._table, checks, quotas, self.metrics, gate, self.tap)
        limits = RateLimits(self._table, quotas, self.metrics, gate)
        return GrpcServer(
            self.settings.address,
            self.settings.mixer_port,
            identity=self.identity,
            client_certificate="required",
            generic_handlers=[logs.handler()],
            batch={METHOD: asked.check, LIMIT: limits.should_rate_limit, **self.native().methods()},
            max_receive_bytes=self.settings.max_message_bytes,
            **serving(self.settings, self.metrics, self.throttle),
        )

    def _add_plaintext(self, lifecycle: Lifecycle) -> None:
        """The native API on loopback for whoever asks. /readyz and the log say that it is on."""
        settings = self.settings
        if not settings.plaintext:
            return
        self.plaintext = GrpcServer(
            settings.loopback_address,
            settings.plaintext_port,
            batch=self.native(as_given=True).methods(),
            max_receive_bytes=settings.max_message_bytes,
            **serving(self.settings, self.metrics, self.throttle),
        )
        self.metrics.rpcs.also(self.plaintext.tallies)
        where = f"{settings.loopback_address}:{settings.plaintext_port}"
        _log.warning("the native API is served in plaintext, and attributes are taken as given", address=where)
        self.readiness.condition(f"plaintext on {where}, attributes taken as given").met()
        lifecycle.add(self.plaintext, "native API in plaintext")

    def _follower(self) -> ConfigurationFollower:
        return ConfigurationFollower(
            self.store,
            self.debounce,
            self.adapters,
            self.settings.trust_domain,
            self.swap,
            self.trace,
            self._publish,
            self.cluster,
            Connector(sessions=self.settings.adapter_sessions),
            Options(language=self.settings.language, sampling=self.settings.rule_sampling),
        )

    def _lifecycle(self) -> Lifecycle:
        settings, readiness = self.settings, self.readiness
        monitoring = monitoring_app(self.service_metrics, readiness, version_info())
        topics = debug_topics(self.swap, self.adapters, self.trace)
        questions = questions_router(self._table, self.tap)
        introspection = introspection_app(SERVICE, describe(settings), readiness, topics, questions)
        configuration = configuration_condition(
            readiness.condition("configuration"),
            self.published,
            lambda: self.store.missing,
            lambda: self.galley.last_error,
        )
        lifecycle = Lifecycle()
        lifecycle.add(HttpServer(monitoring, settings.address, settings.monitoring_port), "monitoring")
        lifecycle.add(
            HttpServer(introspection, settings.loopback_address, settings.introspection_port), "introspection"
        )
        lifecycle.add(self.tap, "tap")
        self._add_prometheus_page(lifecycle)
        lifecycle.add(certificate_condition(readiness.condition("certificate"), self.identity), "certificate condition")
        lifecycle.add(configuration, "configuration condition")
        lifecycle.add(self.identity, "identity")
        lifecycle.add(self.swap, "handlers")
        lifecycle.add(self.server, "Checks and logs")
        self._add_plaintext(lifecycle)
        lifecycle.add(self._follower(), "configuration")
        if self.cluster is not None:
            self.cluster.add_conditions(readiness, lifecycle)
            lifecycle.add(self.cluster, "Pods and Services")
        lifecycle.add(self.status, "status")
        lifecycle.add(self.galley, "Galley")
        return lifecycle

    def _add_prometheus_page(self, lifecycle: Lifecycle) -> None:
        found = self.adapters.get(Prometheus.name)
        if isinstance(found, Prometheus):
            found.store.limit = self.settings.prometheus_series_limit
            found.store.on_drop = lambda metric, number: self.metrics.series_dropped.labels(metric).inc(number)
            self.metrics.series.set_function(lambda: float(found.store.count))
            self.prometheus_page = HttpServer(
                metrics_app(found.store), self.settings.address, self.settings.prometheus_port
            )
            lifecycle.add(self.prometheus_page, "prometheus page")

    def _table(self) -> DispatchTable | None:
        return self.swap.table

    def _workloads(self) -> float:
        return float(len(self.swap.table.view)) if self.swap.table is not None else 0.0

    def _publish(self, table: DispatchTable) -> None:
        configuration = table.configuration
        self.metrics.configurations.inc()
        self.metrics.rules.set(len({action.rule for action in configuration.actions}))
        self.metrics.configuration.show(configuration, self.swap.problems)
        self.metrics.handlers.dispatches.per_variety = table.destinations()
        self.metrics.problems.set(sum(map(len, self.swap.problems.values())))
        self.status.update(object_states(configuration, self.swap.problems))
        self.published.set()
