"""Matches on the claims of a verified token, which Envoy's filter of tokens leaves in a request's metadata."""

import re
from collections.abc import Sequence

from envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from envoy.type.matcher.v3.string_pb2 import StringMatcher
from envoy.type.matcher.v3.value_pb2 import ListMatcher, OrMatcher, ValueMatcher

JWT_FILTER = "envoy.filters.http.jwt_authn"
PAYLOAD = "payload"
"""Where in the filter's metadata the claims are."""

_PREFIX = "@request.auth.claims"
_BRACKETS = re.compile(r"\[([^\]]*)\]")


def claim_path(name: str) -> tuple[str, ...]:
    """The claim that a header's name stands for, level by level; empty if it stands for none.

    `@request.auth.claims.a.b` and `@request.auth.claims[a][b]` are one; only the brackets take names with dots.
    """
    rest = name[len(_PREFIX) :] if name.lower().startswith(_PREFIX) else ""
    if rest.startswith("["):
        parts = tuple(_BRACKETS.findall(rest))
        whole = "".join(f"[{each}]" for each in parts) == rest
        return parts if whole and all(parts) else ()
    parts = tuple(rest.removeprefix(".").split("."))
    return parts if rest.startswith(".") and all(parts) else ()


def claim_matcher(path: Sequence[str], wanted: StringMatcher, *, invert: bool = False) -> MetadataMatcher:
    """The claim is `wanted`, or a list with it."""
    text = ValueMatcher(string_match=wanted)
    listed = ValueMatcher(list_match=ListMatcher(one_of=text))
    return MetadataMatcher(
        filter=JWT_FILTER,
        path=[MetadataMatcher.PathSegment(key=each) for each in (PAYLOAD, *path)],
        value=ValueMatcher(or_match=OrMatcher(value_matchers=[listed, text])),
        invert=invert,
    )
