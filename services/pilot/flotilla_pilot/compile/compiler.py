"""The compiler: one call a proxy, one compilation a scope."""

from flotilla_pilot.compile.resource import TYPES, CompiledProxy
from flotilla_pilot.model.proxy import Proxy
from flotilla_pilot.model.snapshot import MeshSnapshot


class Compiler:
    """Compiles proxies against snapshots; resources with equal inputs are the identical object.

    Pure but for its caches; may be called from one thread at a time.
    """

    def compile(self, snapshot: MeshSnapshot, proxy: Proxy) -> CompiledProxy:
        """Everything `proxy` is to hold under `snapshot`. Never raises for a configuration."""
        return CompiledProxy(resources={type_url: {} for type_url in TYPES}, problems={})
