"""Patching one resource so that Envoy takes it: patches that would spoil it are left out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from flotilla_pilot.compile.patches.patch import Patch
from flotilla_pilot.compile.patches.soundness import unsound
from flotilla_pilot.compile.patches.turn import Turn

Change = Callable[[Any, Turn], Any]
"""Applies a turn to a message in place; False is that the resource is to be removed."""

Refusal = tuple[Patch, str]
_RENAMED = "name must stay what it is: others refer to the resource by it"


@dataclass(frozen=True, slots=True)
class Patched:
    """`message` is None where the resource is removed. `used` are the patches that took effect."""

    message: Any
    used: tuple[Patch, ...]
    refused: tuple[Refusal, ...] = ()


def patched(original: Any, turn: Turn, change: Change) -> Patched:
    """`original`, which stays as it is, with the turn's patches but for those that spoil it. Never raises.

    Together first. Where that is no resource for Envoy, one patch after the other: each that leads to a fault is
    left out, and the others are applied as if it were not there.
    """
    whole, text = _attempt(original, turn, change)
    if not text:
        return whole
    kept: tuple[Patch, ...] = ()
    refused: list[Refusal] = []
    best = Patched(original, ())
    before = unsound(original)
    for each in turn.patches:
        found, text = _attempt(original, replace(turn, patches=(*kept, each), used={}), change)
        if text and text != before:
            refused.append((each, text))
        else:
            kept, best = (*kept, each), found
    return replace(best, refused=tuple(refused))


def _attempt(original: Any, turn: Turn, change: Change) -> tuple[Patched, str]:
    """What the patches make of the resource, and why Envoy would refuse it."""
    turn = replace(turn, used={})
    message = type(original)()
    message.CopyFrom(original)
    try:
        stays = change(message, turn)
        if stays is False:
            return Patched(None, tuple(turn.used)), ""
        if not turn.used:
            return Patched(original, ()), ""
        text = unsound(message) if message.name == original.name else _RENAMED
    except Exception as error:  # noqa: BLE001  # whatever a patch does to a message harms the patch alone
        return Patched(original, ()), str(error) or type(error).__name__
    return Patched(message, tuple(turn.used)), f"Envoy's {text}" if text else ""
