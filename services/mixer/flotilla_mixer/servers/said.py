"""What a proxy's configuration says in the metadata of its calls."""

from __future__ import annotations

from flotilla_mixer.attributes.trust import Direction
from flotilla_shared.model.static_attributes import REPORTER_HEADER, STATIC_HEADER
from flotilla_shared.runtime.serving import Call


def said_by_proxy(call: Call) -> tuple[str, Direction]:
    """Static attributes, and which side the proxy is on: the side that is called, unless it says otherwise."""
    static, direction = "", "inbound"
    for name, value in call.metadata:
        if name == STATIC_HEADER:
            static = str(value)
        elif name == REPORTER_HEADER:
            direction = str(value)
    return static, "outbound" if direction == "outbound" else "inbound"
