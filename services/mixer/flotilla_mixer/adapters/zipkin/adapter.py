"""The zipkin adapter: parameters to a server and the manner of its spans (mixer.md 5.15)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.zipkin.encoding import JSON, PROTO
from flotilla_mixer.adapters.zipkin.handler import ZipkinHandler
from flotilla_mixer.adapters.zipkin.server import Login, ZipkinServer
from flotilla_mixer.adapters.zipkin.spans import Manner
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.connections import is_http_url
from flotilla_mixer.kit.delivery import DeliverySettings
from flotilla_mixer.templates.catalogue import TRACE_SPAN
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.zipkin.config.config_pb2 import Params

PARAMS = "spec.params"
DEFAULT_URL = "http://localhost:9411/api/v2/spans"
PATH = "/api/v2/spans"
NANOSECONDS = 1_000_000_000
LONGEST_TAG, MOST_TAG = 1024, 65_536
FLUSH_SPANS, MOST_SPANS = 1000, 10_000
LONGEST_FLUSH_SECONDS = 60
GZIP_BYTES = 1024
_ENCODINGS = {Params.JSON: JSON, Params.PROTO: PROTO}


class Zipkin:
    """The adapter. 1.4 sent nothing where no share was given; here that is a share of 1, and 0 must be written."""

    name: ClassVar[str] = "zipkin"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((TRACE_SPAN.name,))

    def defaults(self) -> Message:
        return Params(
            url=DEFAULT_URL,
            sample_probability=1.0,
            max_tag_length=LONGEST_TAG,
            flush_duration=Duration(seconds=1),
            flush_spans=FLUSH_SPANS,
            gzip_bytes=GZIP_BYTES,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        yield from _wrong_server(params)
        yield from _wrong_spans(params)
        yield from _wrong_batches(params)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> ZipkinHandler:
        encoding = _ENCODINGS[params.encoding]
        login = Login(
            params.username,
            environment.secret(params.password_file) if params.password_file else None,
            environment.secret(params.bearer_token_file) if params.bearer_token_file else None,
        )
        server = ZipkinServer(_place(params.url), encoding, params.gzip_bytes, login, params.ca_file)
        manner = Manner(params.sample_probability, params.shared_spans, params.max_tag_length or LONGEST_TAG)
        settings = DeliverySettings(
            batch_entries=params.flush_spans or FLUSH_SPANS, batch_seconds=_seconds(params.flush_duration)
        )
        return ZipkinHandler(server, encoding, manner, settings, environment)


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)


def _place(url: str) -> str:
    """Where spans are posted: the path may be left away."""
    if not url:
        return DEFAULT_URL
    parts = urlsplit(url)
    return parts._replace(path=PATH).geturl() if parts.path in ("", "/") else url


def _wrong_server(params: Any) -> Iterable[Fault]:
    url = params.url or DEFAULT_URL
    if not is_http_url(url) or not url.isprintable():
        shown = repr(url[:100]) if "@" not in url else "a URL with a user (username and passwordFile are for it)"
        yield Fault(f"{PARAMS}.url", f"{shown} is no http or https URL with a host, such as {DEFAULT_URL}.")
    elif params.ca_file and not url.startswith("https:"):
        yield Fault(f"{PARAMS}.caFile", "certificates are for an https URL; write one, or no caFile.")
    if bool(params.username) != bool(params.password_file):
        yield Fault(f"{PARAMS}.passwordFile", "username and passwordFile belong together; write both or none.")
    if ":" in params.username:
        yield Fault(f"{PARAMS}.username", "the name of a user has no colon.")
    if params.bearer_token_file and params.password_file:
        yield Fault(f"{PARAMS}.bearerTokenFile", "there is a password too, and a server takes one of them; remove one.")


def _wrong_spans(params: Any) -> Iterable[Fault]:
    if not 0 <= params.sample_probability <= 1:
        text = f"the share of traces that is sent is from 0 to 1, and not {params.sample_probability:g}."
        yield Fault(f"{PARAMS}.sampleProbability", text)
    if params.encoding not in _ENCODINGS:
        yield Fault(f"{PARAMS}.encoding", "it is JSON or PROTO.")
    if not 0 <= params.max_tag_length <= MOST_TAG:
        text = f"of a tag 1 to {MOST_TAG} characters are sent, and not {params.max_tag_length}; 0 means {LONGEST_TAG}."
        yield Fault(f"{PARAMS}.maxTagLength", text)


def _wrong_batches(params: Any) -> Iterable[Fault]:
    if not 0 <= _seconds(params.flush_duration) <= LONGEST_FLUSH_SECONDS:
        yield Fault(f"{PARAMS}.flushDuration", f"spans wait for others from 0 to {LONGEST_FLUSH_SECONDS} s.")
    if not 0 <= params.flush_spans <= MOST_SPANS:
        text = f"a batch has 1 to {MOST_SPANS} spans, and not {params.flush_spans}; 0 means {FLUSH_SPANS}."
        yield Fault(f"{PARAMS}.flushSpans", text)
    if params.gzip_bytes < 0:
        yield Fault(f"{PARAMS}.gzipBytes", "a length must not be negative; 0 compresses every batch.")
