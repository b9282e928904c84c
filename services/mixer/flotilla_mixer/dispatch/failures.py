"""What goes wrong while bags are judged: counted, and said in the log once in a while."""

from __future__ import annotations

import time
from collections.abc import Mapping

from flotilla_mixer.configuration.rules import Match
from flotilla_mixer.dispatch.table import Group
from flotilla_mixer.expressions.compile import EvaluationError
from flotilla_mixer.metrics import MixerMetrics
from flotilla_shared.runtime.logs import get_logger

QUIET_SECONDS = 10.0
MOST_REMEMBERED = 10_000

_log = get_logger(__name__)


class Failures:
    """Counts every failure; logs each kind at most once in ten seconds."""

    def __init__(self, metrics: MixerMetrics) -> None:
        self._metrics = metrics
        self._said: dict[str, float] = {}
        self.request = metrics.handlers.dispatches.request

    def holds(self, group: Group, bag: Mapping[str, object]) -> bool:
        """Whether the condition of a group holds."""
        match = group.match
        if match is None:
            return True
        try:
            return bool(match(bag))
        except EvaluationError as error:
            return self._unjudged(group.match_text, error)

    def match(self, match: Match | None, text: str, bag: Mapping[str, object]) -> bool:
        """Whether a condition holds; one that cannot be judged does not (mixer.md 3.4)."""
        if match is None:
            return True
        try:
            return bool(match(bag))
        except EvaluationError as error:
            return self._unjudged(text, error)

    def _unjudged(self, text: str, error: EvaluationError) -> bool:
        self._metrics.match_errors.inc()
        self._say(f"match:{text}", "a match cannot be judged", match=text, error=str(error))
        return False

    def row(self, instance: str, error: EvaluationError) -> str:
        """An instance could not be made of a bag; gives the text for the caller."""
        self._metrics.instance_errors.labels(instance).inc()
        self._say(f"row:{instance}", "an instance cannot be made", instance=instance, error=str(error))
        return f"evaluation failed at [{instance}]: {error}"

    def handler(self, handler: str, error: Exception) -> str:
        """A handler raised; gives the text for the caller."""
        self._metrics.handler_errors.labels(handler).inc()
        self._say(f"handler:{handler}", "a handler failed", handler=handler, error=f"{type(error).__name__}: {error}")
        return f"handler {handler} failed: {type(error).__name__}"

    def _say(self, what: str, event: str, **details: str) -> None:
        now = time.monotonic()
        if now - self._said.get(what, -QUIET_SECONDS) >= QUIET_SECONDS:
            if len(self._said) >= MOST_REMEMBERED:
                self._said.clear()
            self._said[what] = now
            _log.warning(event, **details)
