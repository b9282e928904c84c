"""The denier has no backend."""

from flotilla_mixer.adapters.denier.adapter import Denier
from flotilla_mixer.templates.catalogue import CHECK_NOTHING, LIST_ENTRY, QUOTA
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPECS = [sample_spec(template) for template in (CHECK_NOTHING, LIST_ENTRY, QUOTA)]

CASE = AdapterCase(
    Denier,
    rows={spec: [sample_row(spec)] * 3 for spec in SPECS},
    params={"status": {"code": 7, "message": "closed"}},
    wrong=[
        ({"status": {"code": 17}}, "spec.params.status.code"),
        ({"status": {"code": -1}}, "spec.params.status.code"),
        ({"status": {"code": 0}}, "spec.params.status.code"),
        ({"validDuration": "-1s"}, "spec.params.validDuration"),
        ({"validUseCount": -1}, "spec.params.validUseCount"),
    ],
)
