"""Kubernetes: custom resources and a ConfigMap, the admission webhook."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_galley.admission.proof import FailOnceCalled
from flotilla_galley.admission.webhook import TrustedByApiServer, ValidationMetrics, admission_server
from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.beside import Beside
from flotilla_galley.platforms.platform import Sources, Topics
from flotilla_galley.publisher import Publisher
from flotilla_galley.snapshot.ledger import Entry
from flotilla_galley.sources.cluster import ClusterSource
from flotilla_galley.sources.mesh import MeshConfigMap
from flotilla_galley.status.analyst import AnalysisMetrics, Analyst
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.service import Taking
from flotilla_galley.status.writer import StatusMetrics, StatusWriter
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.lease import LeaderElection
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.settings import DEFAULT_REVISION

# As long as it takes, mostly, until no node's proxy sends the API server here any more.
LINGER_SECONDS = 3.0


class Cluster:
    """A Platform. Blocking while it is made; raises SettingsError.

    `publisher` gives what is made after this: it is not called before `start`.
    """

    def __init__(
        self,
        settings: GalleySettings,
        metrics: ServiceMetrics,
        identity: IdentitySource,
        board: StatusBoard,
        publisher: Callable[[], Publisher],
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self.client = open_client(settings, "galley")
        kube_metrics = ApiServerMetrics(metrics)
        self.objects, self.mesh = self._read(kube_metrics)
        self.beside = Beside(settings, self.client, self._touch, kube_metrics)
        self.sources = Sources(
            self.objects,
            self.mesh,
            further=self.beside.further,
            watched=self.beside.watched,
            told=self.beside.told,
            on_read=self._touch_fresh,
            gradual=(self.objects, self.mesh, self.beside.watch),
        )
        self.taking = Taking(not settings.write_status)
        self.analyst = self._analyst(metrics)
        self.status = self._status(board, metrics)
        self.election = self._election()
        validation = ValidationMetrics(metrics)
        linger_seconds = LINGER_SECONDS if settings.kubeconfig is None else 0
        self.admission = admission_server(
            identity, settings.address, settings.admission_port, validation, linger_seconds
        )
        self.trusted = TrustedByApiServer(
            self.client,
            settings.admission_webhook_name or settings.revised("istio-galley"),
            settings.root_cert_file,
            identity,
            validation,
            kube_metrics,
        )
        self.failing = FailOnceCalled(
            self.client,
            lambda: self.trusted.configuration,
            lambda: self.trusted.current,
            settings.own_namespace,
            settings.revision or DEFAULT_REVISION,
        )

    def _read(self, metrics: ApiServerMetrics) -> tuple[ClusterSource, MeshConfigMap]:
        settings = self._settings
        objects = ClusterSource(
            self.client, settings.concerns, self._touch, on_object=self._touch_status, metrics=metrics
        )
        name = settings.mesh_config_map or settings.revised("istio")
        mesh = MeshConfigMap(
            self.client, settings.own_namespace, name, settings.root_namespace, self._touch, metrics=metrics
        )
        return objects, mesh

    def _status(self, board: StatusBoard, metrics: ServiceMetrics) -> StatusWriter:
        counted = StatusMetrics(metrics)
        return StatusWriter(self.client, self.objects, self._entry, board, counted, analysis=self.analyst.of)

    def _analyst(self, metrics: ServiceMetrics) -> Analyst:
        return Analyst(
            lambda: (each.verdict.item for each in self.objects.judged() if each.verdict.item is not None),
            lambda: next((item.spec for item in self._publisher().mesh.items), None),
            lambda keys: self.status.touch(keys),
            AnalysisMetrics(metrics),
            self._settings.analysis_interval_seconds,
        )

    def _election(self) -> LeaderElection:
        settings = self._settings
        name = settings.revised("istio-galley-leader")
        return LeaderElection(self.client, settings.own_namespace, name, settings.own_name, self._lead, self._lose)

    def _touch(self) -> None:
        self._publisher().touch()

    def _touch_status(self, key: ObjectKey) -> None:
        self.status.touch([key])

    def _touch_fresh(self) -> None:
        self.status.touch(self.objects.take_fresh())
        self.analyst.touch()

    def _entry(self, key: ObjectKey) -> Entry | None:
        return self._publisher().objects.entries.get(key)

    def add_before(self, lifecycle: Lifecycle) -> None:
        lifecycle.add(self.client, "Kubernetes client")
        lifecycle.add(self.mesh, "mesh configuration")
        lifecycle.add(self.objects, "custom resources")
        lifecycle.add(self.beside.watch, "Kubernetes' own objects")

    def add_after(self, lifecycle: Lifecycle) -> None:
        lifecycle.add(self.admission, "admission")
        lifecycle.add(self.trusted, "caBundle")
        lifecycle.add(self.failing, "failurePolicy")
        if self._settings.write_status:
            lifecycle.add(self.status, "status")
            if self._settings.enable_analysis:
                lifecycle.add(self.analyst, "analysis")
            lifecycle.add(self.election, "leader election")

    def _lead(self) -> None:
        self.taking.set(True)
        self.status.lead()
        self.analyst.lead()

    def _lose(self) -> None:
        self.taking.set(False)
        self.status.lose()
        self.analyst.lose()

    def topics(self) -> Topics:
        return {"kubernetes": self._view, "sources": self._sources, "analysis": self.analyst.view}

    def _sources(self) -> object:
        return {**self.objects.view(), **self.beside.view()}

    def _view(self) -> object:
        leader = self.election.holder if self._settings.write_status else "status is not written"
        webhook = {"caBundle": self.trusted.state, "failurePolicy": self.failing.state}
        return {"kinds": self.objects.view(), **webhook, "leader": leader}
