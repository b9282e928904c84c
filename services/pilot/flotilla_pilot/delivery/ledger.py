"""Who has acknowledged which configuration object."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla_pilot.delivery.session import Session
from flotilla_shared.model.objects import ObjectKey

Keys = frozenset[ObjectKey]
NO_KEYS: Keys = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the objects on one proxy: those its configuration is made from, those of which it has
    acknowledged all that it asked for, and those of which it rejected something.
    """

    concerned: Keys = NO_KEYS
    acknowledged: Keys = NO_KEYS
    rejected: Keys = NO_KEYS


NOBODY = Outcome()


def outcome_of(session: Session) -> Outcome:
    """The outcome of a stream, as of now."""
    if session.compiled is None:
        return NOBODY
    concerned: set[ObjectKey] = set()
    waiting: set[ObjectKey] = set()
    rejected: set[ObjectKey] = set()
    for type_url, watch in session.watches.items():
        accepted = watch.accepted
        for name, each in watch.desired(session.compiled.resources[type_url]).items():
            concerned.update(each.depends_on)
            held = accepted.get(name)
            if held is None or held.version != each.version:
                refused = watch.rejected.get(name)
                missing = rejected if refused is not None and refused.version == each.version else waiting
                missing.update(each.depends_on)
    acknowledged = concerned - waiting - rejected
    return Outcome(frozenset(concerned), frozenset(acknowledged), frozenset(rejected))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many proxies."""

    concerned: int = 0
    acknowledged: int = 0
    rejected: int = 0


class Ledger:
    """Outcomes of all proxies, added up by object; a change costs what changed."""

    def __init__(self) -> None:
        self._outcomes: dict[str, Outcome] = {}
        self._concerned: Counter[ObjectKey] = Counter()
        self._acknowledged: Counter[ObjectKey] = Counter()
        self._rejected: Counter[ObjectKey] = Counter()

    def record(self, connection: str, outcome: Outcome) -> None:
        """The outcome of a connection from now on; NOBODY when it is gone."""
        before = self._outcomes.get(connection, NOBODY)
        _move(self._concerned, before.concerned, outcome.concerned)
        _move(self._acknowledged, before.acknowledged, outcome.acknowledged)
        _move(self._rejected, before.rejected, outcome.rejected)
        if outcome is NOBODY:
            self._outcomes.pop(connection, None)
        else:
            self._outcomes[connection] = outcome

    def changed(self, keys: Keys) -> None:
        """These objects have a new version, which nobody has acknowledged or rejected yet."""
        for connection, each in list(self._outcomes.items()):
            if each.concerned & keys:
                self.record(connection, Outcome(each.concerned, each.acknowledged - keys, each.rejected - keys))

    def counts(self, key: ObjectKey) -> Counts:
        return Counts(self._concerned[key], self._acknowledged[key], self._rejected[key])

    def by_connection(self) -> Mapping[str, Outcome]:
        return self._outcomes


def _move(counter: "Counter[ObjectKey]", before: Keys, after: Keys) -> None:
    _count(counter, after - before, 1)
    _count(counter, before - after, -1)


def _count(counter: "Counter[ObjectKey]", keys: Iterable[ObjectKey], by: int) -> None:
    for key in keys:
        counter[key] += by
        if not counter[key]:
            del counter[key]
