"""Structured logs: one JSON object a line on stderr, or plain text for a terminal.

Events are short sentences in lower case without a full stop; what varies is a field. Never pass a key, a token or a
certificate's private part as a field. There is no line per request.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

LogFormat = Literal["json", "console"]
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str = "info", style: LogFormat = "json", service: str = "") -> None:
    """Once, at the start of a process, before the first line. Raises KeyError for an unknown level."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if service:
        shared.insert(0, _stamp(service))
    if style == "json":
        processors: list[Processor] = [*shared, structlog.processors.JSONRenderer(serializer=_dumps)]
        factory: Any = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        processors = [*shared, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        factory = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(
        processors=processors,
        logger_factory=factory,
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=False,
    )


def _stamp(service: str) -> Processor:
    def add(_: Any, __: str, event: Any) -> Any:
        event["service"] = service
        return event

    return add


def _dumps(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger that says where it speaks from; configured by the time it is used, not when it is made."""
    logger: FilteringBoundLogger = structlog.get_logger(component=name.removeprefix("flotilla_"))
    return logger
