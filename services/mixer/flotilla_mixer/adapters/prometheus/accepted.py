"""What a scraper says that it takes: RFC 9110's Accept and Accept-Encoding, as far as a page of metrics needs them."""

from __future__ import annotations

from collections.abc import Iterator

OPEN_METRICS = "application/openmetrics-text"
OPEN_VERSIONS = ("", "0.0.1", "1.0.0")  # they do not differ in what the page has
TEXT = ("text/plain", "text/*", "*/*")


def prefers_open_metrics(accept: str) -> bool:
    """Whether OpenMetrics is wanted, and text not more."""
    wanted, text = 0.0, 0.0
    for name, parameters in _parts(accept):
        if name == OPEN_METRICS and parameters.get("version", "") in OPEN_VERSIONS:
            wanted = max(wanted, _weight(parameters))
        elif name in TEXT:
            text = max(text, _weight(parameters))
    return wanted > 0 and wanted >= text


def accepts_gzip(accept_encoding: str) -> bool:
    return any(name in ("gzip", "*") and _weight(parameters) > 0 for name, parameters in _parts(accept_encoding))


def _parts(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for part in header.split(","):
        name, *parameters = (each.strip() for each in part.split(";"))
        pairs = (each.partition("=") for each in parameters)
        yield name.lower(), {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}


def _weight(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
