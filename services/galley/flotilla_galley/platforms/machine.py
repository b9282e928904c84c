"""One machine: a directory of YAML and a file."""

from __future__ import annotations

from flotilla_galley.config import GalleySettings
from flotilla_galley.platforms.platform import Sources, Topics
from flotilla_galley.sources.further import DerivedSource
from flotilla_galley.sources.mesh import MeshSource
from flotilla_galley.sources.readings import DirectorySource
from flotilla_galley.status.service import Taking
from flotilla_shared.runtime.lifecycle import Lifecycle


class Machine:
    """A Platform."""

    def __init__(self, settings: GalleySettings) -> None:
        self.taking = Taking(True)
        self.directory = DirectorySource(settings.config_dir, settings.kubernetes_kinds)
        mesh_file = settings.mesh_config_file
        derived = DerivedSource(settings.transforms, [self.directory])
        self.sources = Sources(
            self.directory,
            MeshSource(mesh_file, settings.root_namespace),
            watched=[settings.config_dir, *([mesh_file] if mesh_file else [])],
            told=self.directory.told,
            further=[derived] if settings.kubernetes_kinds else [],
            on_loaded=self.directory.remember_files,
        )

    def add_before(self, lifecycle: Lifecycle) -> None:
        """Nothing: the publisher watches files itself."""

    def add_after(self, lifecycle: Lifecycle) -> None:
        """Nothing."""

    def topics(self) -> Topics:
        return {"sources": self._view}

    def _view(self) -> object:
        return {str(self.directory.folder): self.directory.state}
