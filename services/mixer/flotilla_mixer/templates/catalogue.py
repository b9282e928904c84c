"""The templates of Istio 1.4 that this Mixer has."""

from __future__ import annotations

from flotilla_mixer.templates.template import Template, Variety
from flotilla_shared.model.expressions import ValueType

CHECK_NOTHING = Template("checknothing", Variety.CHECK)
REPORT_NOTHING = Template("reportnothing", Variety.REPORT)
LIST_ENTRY = Template("listentry", Variety.CHECK, {"value": None})
METRIC = Template(
    "metric",
    Variety.REPORT,
    {"value": None, "monitored_resource_type": ValueType.STRING},
    ("dimensions", "monitored_resource_dimensions"),
)

TEMPLATES = {template.name: template for template in (CHECK_NOTHING, REPORT_NOTHING, LIST_ENTRY, METRIC)}
