"""Which adapters there are: the entry points of the group `flotilla.mixer.adapters`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

from flotilla_mixer.kit.adapter import Adapter
from flotilla_shared.runtime.logs import get_logger

GROUP = "flotilla.mixer.adapters"

_log = get_logger(__name__)


def load_adapters(found: Iterable[EntryPoint] | None = None) -> Mapping[str, Adapter]:
    """All adapters by name, made. One that cannot be loaded is logged and left out: the others work."""
    adapters: dict[str, Adapter] = {}
    for point in entry_points(group=GROUP) if found is None else found:
        try:
            adapter: Adapter = point.load()()
        except Exception:  # noqa: BLE001  # somebody else's code; the others must still work
            _log.exception("an adapter cannot be loaded", adapter=point.name, place=point.value)
            continue
        if adapter.name in adapters:
            _log.error("two adapters have one name; the first stays", adapter=adapter.name, place=point.value)
            continue
        adapters[adapter.name] = adapter
    return adapters
