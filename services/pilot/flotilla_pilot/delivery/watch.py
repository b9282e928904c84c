"""One type on one stream: what is asked for, what was sent, what the proxy said to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from flotilla_pilot.compile.resource import CompiledResource
from flotilla_pilot.delivery.request import Dialect
from flotilla_pilot.delivery.subscription import WILDCARD_TYPES, Subscription
from flotilla_pilot.delivery.verdict import Rejection, blame
from flotilla_pilot.delivery.wire import delta_response, sotw_response

MAX_OUTSTANDING = 64

Resources = Mapping[str, CompiledResource]
NOTHING: Resources = {}


@dataclass(slots=True)
class Sent:
    """A response that went out. `news` is new to the proxy by it, `held` all that it holds if it takes it,
    `replaced` what it held under the names of `news` and `removed` before.
    """

    type_url: str
    nonce: str
    news: Resources
    removed: tuple[str, ...]
    replaced: Resources
    held: Resources
    message: bytes = field(repr=False)


@dataclass(slots=True)
class Watch:
    """`held` is what the proxy holds if it takes all that was sent, `accepted` what it is known to hold.

    A resource in `rejected` is not sent again at that version: the proxy would only refuse it once more, for
    ever. State of the world, where what is left out of a response is gone, repeats the accepted one instead.
    `due`: the stream waits for its first response, even an empty one. `wanted`: names to be sent even if
    nothing changed.
    """

    type_url: str
    dialect: Dialect
    subscription: Subscription
    held: Resources = field(default_factory=dict)
    accepted: Resources = field(default_factory=dict)
    rejected: dict[str, Rejection] = field(default_factory=dict)
    outstanding: dict[str, Sent] = field(default_factory=dict)
    due: bool = True
    wanted: set[str] = field(default_factory=set)
    alone: list[str] = field(default_factory=list)
    nonce: str = ""
    acked_nonce: str = ""
    last_error: str = ""

    @property
    def whole(self) -> bool:
        """Whether a response holds everything, and what it lacks is removed by it."""
        return self.dialect == "sotw" and self.type_url in WILDCARD_TYPES

    def desired(self, resources: Resources) -> Resources:
        return self.subscription.select(resources)

    def stale(self, resources: Resources) -> Resources:
        """What the proxy holds and is to lose."""
        desired = self.desired(resources)
        if desired is self.held:
            return NOTHING
        return {name: each for name, each in self.held.items() if name not in desired}

    def forget(self, names: Iterable[str]) -> None:
        """The proxy no longer asks for `names`, and has dropped them."""
        gone = {name for name in names if not self.subscription.covers(name)}
        if gone:
            self.held = {name: each for name, each in self.held.items() if name not in gone}
            self.accepted = {name: each for name, each in self.accepted.items() if name not in gone}
            self.wanted -= gone
            for name in gone:
                self.rejected.pop(name, None)

    def respond(self, resources: Resources, version: str, nonce: str, keep: Resources = NOTHING) -> Sent | None:
        """The response that brings the proxy to `resources`, but for `keep`, which it is to hold on to.

        None where there is nothing to say. `version` is the snapshot's; state of the world has its own.
        """
        desired = self.desired(resources)
        forced = self._forced(desired)
        news = {name: each for name, each in desired.items() if name in forced or self._is_news(name, each)}
        removed = tuple(name for name in self.held if name not in desired and name not in keep)
        asked = self.wanted | self.subscription.names if self.due else self.wanted
        absent = tuple(sorted(name for name in asked if name not in desired))
        held = self._held_after(desired, keep, forced)
        if not (self.due or news or (removed and self._says_removals()) or (absent and self.dialect == "delta")):
            self.held = held
            self.wanted.clear()
            return None
        replaced = {name: self.held[name] for name in (*news, *removed) if name in self.held}
        if self.dialect == "sotw":
            content = held if self.whole or self.due else news
            message = sotw_response(self.type_url, _set_version(held), nonce, content.values())
        else:
            gone = dict.fromkeys((*removed, *absent))
            message = delta_response(self.type_url, version, nonce, news.values(), gone)
        return self._remember(Sent(self.type_url, nonce, news, removed, replaced, held, message))

    def _says_removals(self) -> bool:
        return self.dialect == "delta" or self.whole

    def _is_news(self, name: str, resource: CompiledResource) -> bool:
        held = self.held.get(name)
        if held is resource or (held is not None and held.version == resource.version):
            return False
        return not self._was_rejected(name, resource)

    def _was_rejected(self, name: str, resource: CompiledResource) -> bool:
        rejection = self.rejected.get(name)
        return rejection is not None and rejection.version == resource.version

    def _forced(self, desired: Resources) -> set[str]:
        """Names to be sent in any case; one of a rejection that blamed several is tried alone, once."""
        forced = {name for name in self.wanted if name in desired}
        while self.alone and not self.outstanding:
            name = self.alone.pop(0)
            if name in desired and self._was_rejected(name, desired[name]):
                forced.add(name)
                break
        return forced

    def _held_after(self, desired: Resources, keep: Resources, forced: set[str]) -> Resources:
        if not self.rejected and not keep:
            return desired
        held = dict(keep)
        for name, each in desired.items():
            if name in forced or not self._was_rejected(name, each):
                held[name] = each
            elif name in self.held:
                held[name] = self.held[name]  # the accepted one, or the rejected one on its second try
        return held

    def _remember(self, sent: Sent) -> Sent:
        self.held, self.nonce, self.due = sent.held, sent.nonce, False
        self.wanted.clear()
        self.outstanding[sent.nonce] = sent
        if len(self.outstanding) > MAX_OUTSTANDING:
            del self.outstanding[next(iter(self.outstanding))]
        return sent

    def settle(self, nonce: str, error: str | None) -> Sent | None:
        """Take the proxy's answer to a response; gives that response, None if nobody waits for the answer."""
        sent = self.outstanding.get(nonce)
        if sent is None:
            return None
        while next(iter(self.outstanding)) != nonce:
            del self.outstanding[next(iter(self.outstanding))]
        del self.outstanding[nonce]
        if error is None:
            self._accept(sent)
        else:
            self._reject(sent, error)
        return sent

    def _accept(self, sent: Sent) -> None:
        for name in sent.news:
            self.rejected.pop(name, None)
        self.accepted, self.acked_nonce = sent.held, sent.nonce
        if not self.rejected:
            self.last_error = ""

    def _reject(self, sent: Sent, text: str) -> None:
        self.last_error = text
        blamed = blame(self.type_url, text, sent.news)
        for name in blamed:
            self.rejected[name] = Rejection(sent.news[name].version, text)
        if len(blamed) > 1 and self.type_url not in WILDCARD_TYPES:
            self.alone = sorted(blamed)
        before = self.accepted
        self.accepted = self._without_rejected(sent.held, blamed, before)
        self.held = self._without_rejected(self.held, blamed, before)
        for later in self.outstanding.values():
            later.held = self._without_rejected(later.held, blamed, before)

    def _without_rejected(self, held: Resources, blamed: Iterable[str], before: Resources) -> Resources:
        kept = dict(held)
        for name in blamed:
            if name in kept and self._was_rejected(name, kept[name]):
                del kept[name]
                if name in before:
                    kept[name] = before[name]
        return kept


def _set_version(resources: Resources) -> str:
    """The same wherever the same resources are held."""
    digest = blake2b(digest_size=8)
    for name in sorted(resources):
        digest.update(f"{name}@{resources[name].version};".encode())
    return digest.hexdigest()
