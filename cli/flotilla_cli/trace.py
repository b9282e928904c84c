"""A change's way through the mesh: the hops recorded by Galley, Pilot and Mixer, joined by the version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from flotilla_cli.errors import Refused
from flotilla_shared.model.legacy_kinds import LEGACY_PLURALS

# In the order of a change's way; hops of one rank may come in any order, one for each proxy.
ORDER = (
    "galley.read",
    "galley.published",
    "galley.sent",
    "pilot.received",
    "mixer.received",
    "galley.acked",
    "mixer.applied",
    "pilot.compiled",
    "pilot.sent",
    "pilot.acked",
    "pilot.rejected",
)
GALLEYS = ("galley.read", "galley.published", "galley.sent", "galley.acked")
REQUIRED = (*GALLEYS, "pilot.received", "pilot.compiled")
REQUIRED_OF_MIXER = (*GALLEYS, "mixer.received", "mixer.applied")
MIXER_KINDS = frozenset(
    (
        "rule",
        "handler",
        "instance",
        "template",
        "adapter",
        "attributemanifest",
        "quotaspec",
        "quotaspecbinding",
        "httpapispec",
        "httpapispecbinding",
        *LEGACY_PLURALS,
    )
)
# Galley hears an acknowledgement while Pilot compiles, and Mixer and Pilot do not wait for one another.
UNORDERED = frozenset(("galley.acked", "mixer.received", "mixer.applied"))


@dataclass(frozen=True)
class Hop:
    hop: str
    service: str
    version: str
    proxy: str
    detail: str
    at_ns: int


@dataclass(frozen=True)
class Trace:
    """The hops of one version of one object, in order of time."""

    object: str
    version: str
    hops: tuple[Hop, ...]
    versions: tuple[str, ...] = field(default=())  # all that are remembered, oldest first

    def of(self, *hops: str) -> list[Hop]:
        return [hop for hop in self.hops if hop.hop in hops]

    @property
    def unanswered(self) -> set[str]:
        """Proxies that were sent this version and have neither taken nor refused it."""
        answered = {hop.proxy for hop in self.of("pilot.acked", "pilot.rejected")}
        return {hop.proxy for hop in self.of("pilot.sent")} - answered

    @property
    def missing(self) -> list[str]:
        """Hops that a complete trace has and this one has not."""
        return [hop for hop in self._required if not self.of(hop)]

    @property
    def for_mixer(self) -> bool:
        """Whether the object is one that Mixer takes and no proxy hears of."""
        return self.object.partition("/")[0].lower() in MIXER_KINDS

    @property
    def _required(self) -> tuple[str, ...]:
        return REQUIRED_OF_MIXER if self.for_mixer else REQUIRED

    @property
    def complete(self) -> bool:
        """Read, published, taken by Pilot (or Mixer), and answered by every proxy that it was sent to."""
        return not self.missing and not self.unanswered

    @property
    def in_order(self) -> bool:
        """Whether the first of each hop came after the first of the one before it, and no ack before its
        push.
        """
        firsts = [found[0].at_ns for hop in ORDER if hop not in UNORDERED and (found := self.of(hop))]
        pushed = {hop.proxy: hop.at_ns for hop in reversed(self.of("pilot.sent"))}
        answers = self.of("pilot.acked", "pilot.rejected")
        return firsts == sorted(firsts) and all(pushed.get(a.proxy, a.at_ns + 1) <= a.at_ns for a in answers)

    def as_json(self) -> dict[str, Any]:
        return {
            "object": self.object,
            "version": self.version,
            "versions": list(self.versions),
            "complete": self.complete,
            "in_order": self.in_order,
            "missing": self.missing,
            "unanswered": sorted(self.unanswered),
            "hops": [asdict(hop) for hop in self.hops],
        }


def parse_name(text: str) -> tuple[str, str, str]:
    """KIND/NAMESPACE/NAME; raises Refused for another form."""
    parts = text.split("/")
    if len(parts) != 3 or not all(parts):
        raise Refused(f"{text} names no object.", "Write KIND/NAMESPACE/NAME, such as VirtualService/default/reviews.")
    return parts[0], parts[1], parts[2]


def join(name: str, recorded: Iterable[Mapping[str, Any]], version: str | None = None) -> Trace:
    """The trace of one version (default: the one that Galley read last) out of all recorded hops of an
    object.

    Raises Refused if nothing was recorded, or nothing of that version.
    """
    hops = sorted((_hop(record) for record in recorded), key=_place)
    versions = list(dict.fromkeys(hop.version for hop in hops))
    if not hops or (version is not None and version not in versions):
        what = f"Version {version} of {name}" if version else name
        known = (
            f"Known versions: {', '.join(versions)}."
            if versions
            else "Galley, Pilot and Mixer remember 4096 hops each."
        )
        raise Refused(f"{what} has not passed through the mesh since it was started.", known)
    chosen = version or _newest(hops)
    return Trace(name, chosen, tuple(hop for hop in hops if hop.version == chosen), tuple(versions))


def _newest(hops: Sequence[Hop]) -> str:
    """By what Galley read last; while Galley is away, by what came last at all."""
    read = [hop for hop in hops if hop.hop == "galley.read"]
    return (read or list(hops))[-1].version


def _place(hop: Hop) -> tuple[int, int]:
    return hop.at_ns, ORDER.index(hop.hop) if hop.hop in ORDER else len(ORDER)


def _hop(record: Mapping[str, Any]) -> Hop:
    return Hop(
        hop=str(record["hop"]),
        service=str(record["service"]),
        version=str(record["version"]),
        proxy=str(record.get("proxy", "")),
        detail=str(record.get("detail", "")),
        at_ns=int(record["at_ns"]),
    )
