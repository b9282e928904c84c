"""exportTo: which namespaces may see an object."""

from collections.abc import Sequence


def visible(export_to: Sequence[str], owner: str, viewer: str, default: Sequence[str] = ("*",)) -> bool:
    """Whether `viewer` sees what namespace `owner` exports to `export_to` (empty: as `default` says).

    `*` is everyone, `.` the own namespace, `~` nobody, anything else a namespace.
    """
    allowed = set(export_to or default)
    if "~" in allowed:
        return False
    return "*" in allowed or viewer in allowed or ("." in allowed and viewer == owner)
