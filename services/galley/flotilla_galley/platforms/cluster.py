"""Kubernetes: custom resources and a ConfigMap, the admission webhook."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_galley.admission.webhook import TrustedByApiServer, ValidationMetrics, admission_server
from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.platform import Sources, Topics
from flotilla_galley.publisher import Publisher
from flotilla_galley.sources.cluster import ClusterSource
from flotilla_galley.sources.mesh import MeshConfigMap
from flotilla_galley.status.board import StatusBoard
from flotilla_galley.status.service import Taking
from flotilla_galley.status.writer import StatusMetrics, StatusWriter
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.lease import LeaderElection
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.metrics import ServiceMetrics


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
        self.client = open_client(settings, "galley")
        kube_metrics = ApiServerMetrics(metrics)
        validation = ValidationMetrics(metrics)

        def touch() -> None:
            publisher().touch()

        self.objects = ClusterSource(
            self.client,
            settings.concerns,
            touch,
            on_object=lambda key: self.status.touch([key]),
            metrics=kube_metrics,
        )
        self.mesh = MeshConfigMap(
            self.client,
            settings.own_namespace,
            settings.mesh_config_map or settings.revised("istio"),
            settings.root_namespace,
            touch,
            metrics=kube_metrics,
        )
        self.sources = Sources(
            self.objects,
            self.mesh,
            on_read=lambda: self.status.touch(self.objects.take_fresh()),
            gradual=(self.objects, self.mesh),
        )
        self.taking = Taking(not settings.write_status)
        self.status = StatusWriter(
            self.client, self.objects, lambda key: publisher().objects.entries.get(key), board, StatusMetrics(metrics)
        )
        self.election = LeaderElection(
            self.client,
            settings.own_namespace,
            settings.revised("istio-galley-leader"),
            settings.own_name,
            self._lead,
            self._lose,
        )
        self._write_status = settings.write_status
        self.admission = admission_server(identity, settings.address, settings.admission_port, validation)
        self.trusted = TrustedByApiServer(
            self.client,
            settings.admission_webhook_name or settings.revised("istio-galley"),
            settings.root_cert_file,
            identity,
            validation,
            kube_metrics,
        )

    def add_before(self, lifecycle: Lifecycle) -> None:
        lifecycle.add(self.client, "Kubernetes client")
        lifecycle.add(self.mesh, "mesh configuration")
        lifecycle.add(self.objects, "custom resources")

    def add_after(self, lifecycle: Lifecycle) -> None:
        lifecycle.add(self.admission, "admission")
        lifecycle.add(self.trusted, "caBundle")
        if self._write_status:
            lifecycle.add(self.status, "status")
            lifecycle.add(self.election, "leader election")

    def _lead(self) -> None:
        self.taking.set(True)
        self.status.lead()

    def _lose(self) -> None:
        self.taking.set(False)
        self.status.lose()

    def topics(self) -> Topics:
        return {"kubernetes": self._view}

    def _view(self) -> object:
        leader = self.election.holder if self._write_status else "status is not written"
        return {"kinds": self.objects.view(), "caBundle": self.trusted.state, "leader": leader}
