"""Transport sockets, which are merged inside where patch and resource name the same one."""

from typing import Any

from flotilla_pilot.compile.patches.merge import merge_packed
from flotilla_pilot.compile.patches.patch import Patch
from flotilla_shared.model.envoy_merge import merge


def merge_with_socket(held: Any, patch: Patch) -> None:
    """MERGE into a cluster or a filter chain. Raises PatchRefused.

    A socket of another name takes the place of the one that is there. Where a cluster chooses its socket by endpoint
    (`transport_socket_matches`), the chosen one of that name is merged into, and one of another name is passed over:
    Envoy takes one way or the other.
    """
    given, socket = patch.value, patch.value.transport_socket
    if not given.HasField("transport_socket"):
        merge(held, given, replace_lists=patch.replaces_lists)
        return
    rest = type(given)()
    rest.CopyFrom(given)
    rest.ClearField("transport_socket")
    merge(held, rest, replace_lists=patch.replaces_lists)
    choices = getattr(held, "transport_socket_matches", ())
    if choices:
        named = [each.transport_socket for each in choices if each.transport_socket.name == socket.name]
        for each in named[:1]:
            _merge_socket(each, socket, patch)
    elif held.HasField("transport_socket") and held.transport_socket.name == socket.name:
        _merge_socket(held.transport_socket, socket, patch)
    else:
        held.transport_socket.CopyFrom(socket)


def _merge_socket(held: Any, given: Any, patch: Patch) -> None:
    if not given.HasField("typed_config"):
        return
    if held.HasField("typed_config"):
        merge_packed(held.typed_config, given.typed_config, replace_lists=patch.replaces_lists)
    else:
        held.typed_config.CopyFrom(given.typed_config)
