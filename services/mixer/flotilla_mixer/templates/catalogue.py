"""The templates of Istio 1.4 (mixer.md 5.1)."""

from __future__ import annotations

from flotilla_mixer.templates.template import Template, Variety
from flotilla_shared.model.expressions import ValueType

_STRING, _INT, _BOOL = ValueType.STRING, ValueType.INT64, ValueType.BOOL
_TIME, _IP, _MAP = ValueType.TIMESTAMP, ValueType.IP_ADDRESS, ValueType.STRING_MAP
RESOURCE_TYPE, RESOURCE_DIMENSIONS = "monitored_resource_type", "monitored_resource_dimensions"


def _strings(names: str) -> dict[str, ValueType | None]:
    return dict.fromkeys(names.split(), _STRING)


API_KEY = Template("apikey", Variety.CHECK, _strings("api api_version api_operation api_key") | {"timestamp": _TIME})
AUTHORIZATION = Template(
    "authorization",
    Variety.CHECK,
    _strings("subject.user subject.groups action.namespace action.service action.method action.path"),
    ("subject.properties", "action.properties"),
)
CHECK_NOTHING = Template("checknothing", Variety.CHECK)
LIST_ENTRY = Template("listentry", Variety.CHECK, {"value": None})
QUOTA = Template("quota", Variety.QUOTA, maps=("dimensions",))
METRIC = Template(
    "metric", Variety.REPORT, {"value": None, RESOURCE_TYPE: _STRING}, ("dimensions", RESOURCE_DIMENSIONS)
)
LOG_ENTRY = Template(
    "logentry",
    Variety.REPORT,
    {"timestamp": _TIME, "severity": _STRING, RESOURCE_TYPE: _STRING},
    ("variables", RESOURCE_DIMENSIONS),
)
REPORT_NOTHING = Template("reportnothing", Variety.REPORT)
TRACE_SPAN = Template(
    "tracespan",
    Variety.REPORT,
    {
        **_strings("trace_id span_id parent_span_id span_name"),
        "start_time": _TIME,
        "end_time": _TIME,
        "http_status_code": _INT,
        "client_span": _BOOL,
        "rewrite_client_span_id": _BOOL,
        "source_name": _STRING,
        "source_ip": _IP,
        "destination_name": _STRING,
        "destination_ip": _IP,
        "request_size": _INT,
        "request_total_size": _INT,
        "response_size": _INT,
        "response_total_size": _INT,
        "api_protocol": _STRING,
    },
    ("span_tags",),
)
EDGE = Template(
    "edge",
    Variety.REPORT,
    {
        "timestamp": _TIME,
        **_strings(
            "source_workload_namespace source_workload_name source_owner source_uid destination_workload_namespace"
            " destination_workload_name destination_owner destination_uid destination_service_namespace"
            " destination_service_name context_protocol api_protocol"
        ),
    },
)


def _pod(side: str) -> dict[str, ValueType]:
    """What the kubernetes template gives of one end of a call."""
    texts = "pod_uid pod_name namespace service_account_name owner workload_uid workload_name workload_namespace"
    found = {f"{side}_{name}": _STRING for name in texts.split()}
    return found | {f"{side}_pod_ip": _IP, f"{side}_host_ip": _IP, f"{side}_labels": _MAP}


KUBERNETES = Template(
    "kubernetes",
    Variety.ATTRIBUTE_GENERATOR,
    {
        "source_uid": _STRING,
        "source_ip": _IP,
        "destination_uid": _STRING,
        "destination_ip": _IP,
        "destination_port": _INT,
    },
    outputs=_pod("source") | _pod("destination") | {"destination_container_name": _STRING},
)

TEMPLATES = {
    template.name: template
    for template in (
        API_KEY,
        AUTHORIZATION,
        CHECK_NOTHING,
        EDGE,
        KUBERNETES,
        LIST_ENTRY,
        LOG_ENTRY,
        METRIC,
        QUOTA,
        REPORT_NOTHING,
        TRACE_SPAN,
    )
}
