"""What is limited: from a quota's parameters and a call's dimensions to the key and the arguments of the script."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from flotilla_mixer.kit.text import reads_as, text_of
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params

MICROSECONDS = 1_000_000
LARGEST = 2**53 - 1  # what a script counts exactly
SLOTS = 16384  # of a cluster; a key is in the slot of what stands in its braces
KEY_LENGTH = 200  # of dimensions in a key; longer ones are given by their digest
REMEMBERED = 4096  # sets of dimensions whose keys are made already


class Limit(NamedTuple):
    """Where a call counts, as the script takes it: the key and its arguments 1 to 4; and the key's slot in a cluster."""

    counter: bytes
    arguments: tuple[bytes, bytes, bytes, bytes]
    slot: int


class Limits:
    """The limits of one instance. `find` takes a row's dimensions, in the order of the instance's names."""

    def __init__(self, quota: Any, spec: InstanceSpec, prefix: str) -> None:
        self._quota = quota
        self._names = spec.names.get("dimensions", ())
        self._prefix = f"{prefix}:quota:{{{_escaped(spec.name)}"
        self._found: dict[tuple[object, ...], Limit] = {}

    def find(self, dimensions: Sequence[object]) -> Limit:
        key = tuple(dimensions)
        try:
            found = self._found.get(key)
        except TypeError:  # a map among them
            return self._make(key)
        if found is None:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            found = self._found[key] = self._make(key)
        return found

    def _make(self, dimensions: Sequence[object]) -> Limit:
        quota, values = self._quota, dict(zip(self._names, dimensions, strict=True))
        named = {name: text_of(value) for name, value in values.items()}
        rolling = quota.rate_limit_algorithm == Params.ROLLING_WINDOW
        algorithm = "rolling" if rolling else "fixed"
        counter = f"{self._prefix}{key_of(named)}}}:{algorithm}"
        arguments = (
            algorithm.encode(),
            b"%d" % min(limit_of(quota, values), LARGEST),
            b"%d" % microseconds(quota.valid_duration),
            b"%d" % microseconds(quota.bucket_duration),
        )
        tag = counter[counter.index("{") + 1 : counter.index("}")]
        return Limit(counter.encode(), arguments, binascii.crc_hqx(tag.encode(), 0) % SLOTS)


def limit_of(quota: Any, values: Mapping[str, object]) -> int:
    """The amount of the first override that fits, or the quota's own. A dimension that the instance does not have fits
    none.
    """
    for override in quota.overrides:
        if all(name in values and reads_as(text, values[name]) for name, text in override.dimensions.items()):
            return int(override.max_amount)
    return int(quota.max_amount)


def key_of(named: Mapping[str, str]) -> str:
    """All dimensions, sorted, so that no two sets of them have one key: `;app=reviews;user=jason`."""
    text = "".join(f";{_escaped(name)}={_escaped(named[name])}" for name in sorted(named))
    if len(text) <= KEY_LENGTH:
        return text
    return f";;{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def microseconds(duration: Any) -> int:
    """Of a google.protobuf.Duration."""
    return int(duration.seconds * MICROSECONDS + duration.nanos // 1000)


def _escaped(text: str) -> str:
    """Nothing that separates parts of a key, and no braces, which choose a cluster's slot."""
    return quote(text, safe="/:@ ,", errors="replace")
