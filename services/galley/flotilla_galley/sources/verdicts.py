"""The verdict on an object, whatever happens: what Galley itself does wrong with one must not stop all others."""

from __future__ import annotations

from flotilla_galley.sources.documents import SourceObject
from flotilla_galley.validation.validate import Verdict, validate_object
from flotilla_shared.model.objects import Problem
from flotilla_shared.runtime.logs import get_logger

_log = get_logger(__name__)


def verdict_of(source: SourceObject) -> Verdict:
    """As `validate_object`; an exception, which is a fault of Galley's own, refuses this object and is logged."""
    try:
        return validate_object(source)
    except Exception as error:  # noqa: BLE001  # any: the next object has to be judged
        _log.exception("an object could not be judged", object=str(source.key), file=source.file)
        text = (
            f"{source.kind.kind} {source.key.full_name} could not be judged, by a fault of Galley's own "
            f"({type(error).__name__}); its last good version stays, and the log says more"
        )
        return Verdict(None, (Problem("not-judged", "", text, file=source.file, line=source.line),))
