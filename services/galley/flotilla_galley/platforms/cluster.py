"""Kubernetes: custom resources and a ConfigMap, the admission webhook."""

from __future__ import annotations

from collections.abc import Callable

from flotilla_galley.admission.webhook import TrustedByApiServer, ValidationMetrics, admission_server
from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.platform import Sources, Topics
from flotilla_galley.sources.cluster import ClusterSource
from flotilla_galley.sources.mesh import MeshConfigMap
from flotilla_shared.runtime.identity import IdentitySource
from flotilla_shared.runtime.kube.client import open_client
from flotilla_shared.runtime.kube.metrics import ApiServerMetrics
from flotilla_shared.runtime.lifecycle import Lifecycle
from flotilla_shared.runtime.metrics import ServiceMetrics


class Cluster:
    """A Platform. Blocking while it is made; raises SettingsError.

    `touch` is called when a source has changed.
    """

    def __init__(
        self, settings: GalleySettings, metrics: ServiceMetrics, identity: IdentitySource, touch: Callable[[], None]
    ) -> None:
        self.client = open_client(settings, "galley")
        kube_metrics = ApiServerMetrics(metrics)
        validation = ValidationMetrics(metrics)
        self.objects = ClusterSource(self.client, settings.concerns, touch, metrics=kube_metrics)
        self.mesh = MeshConfigMap(
            self.client,
            settings.own_namespace,
            settings.mesh_config_map or settings.revised("istio"),
            settings.root_namespace,
            touch,
            metrics=kube_metrics,
        )
        self.sources = Sources(self.objects, self.mesh, gradual=(self.objects, self.mesh))
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

    def topics(self) -> Topics:
        return {"kubernetes": self._view}

    def _view(self) -> object:
        return {"kinds": self.objects.view(), "caBundle": self.trusted.state}
