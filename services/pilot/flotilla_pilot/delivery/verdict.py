"""Which resources of a response a proxy meant when it rejected it."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flotilla_pilot.compile.resource import CLUSTER, LISTENER


@dataclass(frozen=True, slots=True)
class Rejection:
    """A version of a resource that a proxy refused, and in which words."""

    version: str
    text: str


def blame(type_url: str, text: str, sent: Collection[str]) -> frozenset[str]:
    """The names of `sent` that `text` blames; all of them where the text names none.

    Envoy applies the good resources of a response that it rejects. For clusters and listeners it names every
    bad one ("Error adding/updating listener(s) 0.0.0.0_80: ..."); for routes and endpoints it may name none.
    """
    named: Iterable[str] = ()
    if type_url in (CLUSTER, LISTENER):
        named = (name for name in sent if re.search(rf"(?:^|[\s,;(]){re.escape(name)}: ", text))
    return frozenset(named) or frozenset(sent)
