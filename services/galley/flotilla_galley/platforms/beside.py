"""Beside the custom resources of a cluster: a directory, and what is made of Kubernetes' own objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flotilla_galley.config import GalleySettings
from flotilla_galley.sources.further import DerivedSource, DirectoryBeside, FurtherSource, KubernetesInput
from flotilla_galley.sources.kubernetes_watch import KubernetesWatch
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.sources.watching import Named
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.metrics import KubeMetrics
from flotilla_shared.runtime.settings import SettingsError

TWO_DISCOVERIES = (
    "synthetic_service_entries is on: Pilot finds Services by its own watch, and would have each of them twice; switch it "
    "off, or set foreign_pilot if only a Pilot that does not watch them is served"
)


class Beside:
    """`watch` is a component. Raises SettingsError where Services would have two sources."""

    def __init__(
        self, settings: GalleySettings, client: KubeClient, touch: Callable[[], None], metrics: KubeMetrics
    ) -> None:
        if settings.synthetic_service_entries and not settings.foreign_pilot:
            raise SettingsError(TWO_DISCOVERIES)
        kinds = settings.kubernetes_kinds
        self.watch = KubernetesWatch(client, kinds, settings.concerns, touch, metrics=metrics)
        self.further: list[FurtherSource] = []
        self.watched: list[Path] = []
        self._directory: DirectorySource | None = None
        inputs: list[KubernetesInput] = [self.watch]
        if settings.cluster_config_dir is not None:
            self._directory = DirectorySource(settings.cluster_config_dir, kinds)
            self.further.append(DirectoryBeside(self._directory))
            self.watched.append(settings.cluster_config_dir)
            inputs.append(self._directory)
        if kinds:
            self.further.append(DerivedSource(settings.transforms, inputs))

    def told(self, named: Named) -> None:
        """Paths of the directory have changed."""
        if self._directory is not None:
            self._directory.told(named)

    def view(self) -> dict[str, object]:
        """How it stands with each, for the introspection page."""
        directory = self._directory
        return {**self.watch.view(), **({str(directory.folder): directory.state} if directory is not None else {})}
