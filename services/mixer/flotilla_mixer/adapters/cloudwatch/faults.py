"""What is wrong with a handler's parameters, and with instances that do not fit them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from flotilla_mixer.adapters.cloudwatch.datums import name_fault, namespace_fault
from flotilla_mixer.adapters.cloudwatch.series import MOST_DIMENSIONS, NANOSECONDS_OF, USUAL_RESOLUTION
from flotilla_mixer.adapters.cloudwatch.settings import seconds
from flotilla_mixer.kit.adapter import Fault
from flotilla_mixer.kit.gotext import TemplateError, template
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.cloudwatch.config.config_pb2 import Params
from flotilla_shared.model.expressions import ValueType

MISSING = "this Mixer has no client of AWS: install flotilla-mesh-mixer[cloudwatch]."
NUMBERS = (ValueType.STRING, ValueType.INT64, ValueType.DOUBLE, ValueType.DURATION)
MOST_DIGITS = 15
LONGEST_FLUSH, LONGEST_TIMEOUT = 3600.0, 60.0  # seconds
# As PutRetentionPolicy's page has them.
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}\Z")
_STREAM = re.compile(r"[^:*\x00-\x1f\x7f]{1,512}\Z")
_REGION = re.compile(r"[a-z0-9-]{1,63}\Z")
_PROFILE = re.compile(r"[^\x00-\x1f\x7f\[\]]{1,255}\Z")
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]{1,512}\Z", re.ASCII)
_SESSION = re.compile(r"[\w+=,.@-]{2,64}\Z", re.ASCII)
_EXTERNAL = re.compile(r"[\w+=,.@:/-]{2,1224}\Z", re.ASCII)


def faults(params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
    if find_spec("boto3") is None:
        yield Fault("spec.compiledAdapter", MISSING)
    metrics = [spec for spec in instances if spec.template is METRIC]
    entries = [spec for spec in instances if spec.template is LOG_ENTRY]
    yield from _wrong_metrics(params, metrics)
    yield from _wrong_logs(params, entries)
    yield from _wrong_times(params)
    yield from _wrong_place(params)
    yield from _wrong_credentials(params.credentials)


def _wrong_metrics(params: Any, metrics: Sequence[InstanceSpec]) -> Iterable[Fault]:
    said = namespace_fault(params.namespace) if metrics or params.metric_info or params.namespace else ""
    if said:
        yield Fault("spec.params.namespace", said)
    for name, info in sorted(params.metric_info.items()):
        yield from _wrong_info(f"spec.params.metricInfo[{name}]", info)
    for spec in metrics:
        if spec.name not in params.metric_info:
            yield Fault("spec.params.metricInfo", f"a rule reports {spec.name}, and no metric has that name.")
        else:
            yield from _wrong_metric(spec, params.metric_info[spec.name])


def _wrong_info(path: str, info: Any) -> Iterable[Fault]:
    kinds = Params.MetricDatum
    if info.unit not in kinds.Unit.values():
        yield Fault(f"{path}.unit", f"{info.unit} is no unit; write one of its names, such as Count.")
    if info.metric_name and (said := name_fault(info.metric_name)):
        yield Fault(f"{path}.metricName", said)
    if info.storage_resolution not in (0, 1, USUAL_RESOLUTION):
        text = f"CloudWatch keeps values by 1 or by 60 seconds, and not by {info.storage_resolution}."
        yield Fault(f"{path}.storageResolution", text)
    if info.statistics not in kinds.Statistics.values():
        yield Fault(f"{path}.statistics", f"{info.statistics} is neither VALUES nor STATISTIC_SET.")
    if not 0 <= info.significant_digits <= MOST_DIGITS:
        text = f"values keep up to {MOST_DIGITS} digits (0: all), and not {info.significant_digits}."
        yield Fault(f"{path}.significantDigits", text)


def _wrong_metric(spec: InstanceSpec, info: Any) -> Iterable[Fault]:
    path = f"spec.params.metricInfo[{spec.name}]"
    kind, dimensions = spec.types.get("value"), spec.names.get("dimensions", ())
    if kind is not None and kind not in NUMBERS:
        yield Fault("spec.params.metricInfo", f"the value of {spec.name} is {kind}, and must be {', '.join(NUMBERS)}.")
    if kind is ValueType.DURATION and info.unit not in NANOSECONDS_OF:
        text = f"the value of {spec.name} is a duration: its unit is Seconds, Milliseconds or Microseconds."
        yield Fault(f"{path}.unit", text)
    if not info.metric_name and (said := name_fault(spec.name)):
        yield Fault(f"{path}.metricName", said)
    if len(dimensions) > MOST_DIMENSIONS:
        text = f"{spec.name} has {len(dimensions)} dimensions, and CloudWatch takes {MOST_DIMENSIONS}."
        yield Fault("spec.params.metricInfo", text)
    for name in dimensions:
        if said := name_fault(name):
            yield Fault("spec.params.metricInfo", f"a dimension of {spec.name}: {said}")


def _wrong_logs(params: Any, entries: Sequence[InstanceSpec]) -> Iterable[Fault]:
    wanted = bool(entries or params.logs)
    if (wanted or params.log_group_name) and not _GROUP.match(params.log_group_name):
        text = "log entries need a log group: up to 512 letters, digits and `.`, `-`, `_`, `/`, `#`."
        yield Fault("spec.params.logGroupName", text)
    if (wanted or params.log_stream_name) and not _STREAM.match(params.log_stream_name):
        text = "log entries need a log stream: up to 512 characters without `:` and `*`."
        yield Fault("spec.params.logStreamName", text)
    if params.when_missing not in Params.WhenMissing.values():
        text = f"{params.when_missing} is none of REFUSE, CREATE_STREAM and CREATE_GROUP."
        yield Fault("spec.params.whenMissing", text)
    if params.log_retention_days and params.log_retention_days not in RETENTIONS:
        text = f"CloudWatch keeps events for {', '.join(map(str, RETENTIONS))} days or for ever (0)."
        yield Fault("spec.params.logRetentionDays", text)
    for name, info in sorted(params.logs.items()):
        try:
            template(info.payload_template)
        except TemplateError as error:
            yield Fault(f"spec.params.logs[{name}].payloadTemplate", f"{error}.")
    for spec in entries:
        if spec.name not in params.logs:
            yield Fault("spec.params.logs", f"a rule reports {spec.name}, and no log has that name.")
        if not spec.names.get("variables"):
            yield Fault("spec.params.logs", f"{spec.name} has no variables, so that its entries say nothing.")


def _wrong_times(params: Any) -> Iterable[Fault]:
    for field, longest in (("flush_duration", LONGEST_FLUSH), ("log_flush_duration", LONGEST_FLUSH)):
        if not 0 <= (given := seconds(getattr(params, field))) <= longest:
            json_name = params.DESCRIPTOR.fields_by_name[field].json_name
            text = f"what is reported waits from 0 to {longest:g} seconds, and not {given:g}."
            yield Fault(f"spec.params.{json_name}", text)
    if not 0 < (given := seconds(params.timeout)) <= LONGEST_TIMEOUT:
        text = f"a step of a call takes up to {LONGEST_TIMEOUT:g} seconds, more than none, and not {given:g}."
        yield Fault("spec.params.timeout", text)


def _wrong_place(params: Any) -> Iterable[Fault]:
    if params.region and not _REGION.match(params.region):
        yield Fault("spec.params.region", f"{params.region[:50]!r} is no region; eu-central-1 is one.")
    for name in ("metrics", "logs", "sts"):
        given = getattr(params.endpoints, name)
        if given and not _is_url(given):
            yield Fault(f"spec.params.endpoints.{name}", "it is no http or https URL with a host, and no more.")


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        known = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return False
    plain = text.isascii() and text.isprintable() and " " not in text
    return known and plain and "@" not in url.netloc and not url.query and not url.fragment


def _wrong_credentials(given: Any) -> Iterable[Fault]:
    path = "spec.params.credentials"
    for field in ("secret_file", "web_identity_token_file"):
        name = getattr(given, field)
        if name and (not name.startswith("/") or "\0" in name):
            text = "a file is named by its whole path, from /."
            yield Fault(f"{path}.{given.DESCRIPTOR.fields_by_name[field].json_name}", text)
    if given.web_identity_token_file and (given.secret_file or given.profile):
        text = "a token stands for itself: remove secretFile and profile."
        yield Fault(f"{path}.webIdentityTokenFile", text)
    if given.profile and not _PROFILE.match(given.profile):
        yield Fault(f"{path}.profile", "it is no name of a profile.")
    yield from _wrong_role(path, given)


def _wrong_role(path: str, given: Any) -> Iterable[Fault]:
    needed = given.web_identity_token_file or given.external_id or given.role_session_name
    if given.role_arn and not _ROLE.match(given.role_arn):
        yield Fault(f"{path}.roleArn", "it is no ARN of a role, such as arn:aws:iam::123456789012:role/mixer.")
    elif needed and not given.role_arn:
        yield Fault(f"{path}.roleArn", "a token, an external id or the name of a session needs the role that is taken.")
    if given.role_session_name and not _SESSION.match(given.role_session_name):
        yield Fault(f"{path}.roleSessionName", "it has 2 to 64 letters, digits and `_`, `+`, `=`, `,`, `.`, `@`, `-`.")
    if given.external_id and not _EXTERNAL.match(given.external_id):
        yield Fault(f"{path}.externalId", "it has 2 to 1224 letters, digits and `_+=,.@:/-`.")
