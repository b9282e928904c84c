"""exportTo: which namespaces may see an object."""

from collections.abc import Sequence


def visible(export_to: Sequence[str], owner: str, viewer: str, default: Sequence[str] = ("*",)) -> bool:
    """Whether `viewer` sees what namespace `owner` exports to `export_to` (empty: as `default` says).

    `*` is everyone, `.` the own namespace, anything else a namespace; `~` is nobody, and adds nobody to others.
    """
    allowed = export_to or default
    return "*" in allowed or viewer in allowed or ("." in allowed and viewer == owner)


def is_private(export_to: Sequence[str], owner: str, default: Sequence[str] = ("*",)) -> bool:
    """Whether nobody outside of namespace `owner` sees it."""
    return set(export_to or default) <= {".", owner, "~"}
