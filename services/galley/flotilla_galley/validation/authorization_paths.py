"""Paths with `{*}` and `{**}` in an AuthorizationPolicy (rule AP12 of Istio's validation)."""

from __future__ import annotations

import re

ONE, REST = "{*}", "{**}"
_LITERAL = re.compile(r"[-A-Za-z0-9._~%!$&'()+,;:@=]*\Z")


def path_template(path: str) -> str:
    """What is wrong with a path, or "". One without braces is no template and is not looked at."""
    if "{" not in path and "}" not in path:
        return ""
    last = False
    for segment in path.split("/"):
        if segment in (ONE, REST):
            if last:
                return f"{path!r} has {segment} after {REST}, which takes all that is left; let {REST} be the last"
            last = segment == REST
        elif "{" in segment or "}" in segment:
            return f"{path!r}: {segment!r} is no part of a path; {ONE} and {REST} stand between slashes, alone"
        elif not _LITERAL.match(segment):
            return f"{path!r}: {segment!r} holds a character that cannot stand beside {ONE} or {REST}"
    return ""
