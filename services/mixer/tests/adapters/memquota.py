"""Memquota counts in its own memory."""

from flotilla_mixer.adapters.memquota.adapter import Memquota
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPEC = sample_spec(QUOTA, name="calls.instance.test")
CALLS = {"name": "calls.instance.test", "maxAmount": 10, "validDuration": "1s"}


def quotas(**changes: object) -> dict[str, object]:
    return {"quotas": [CALLS | changes]}


CASE = AdapterCase(
    Memquota,
    rows={SPEC: [sample_row(SPEC)] * 12},
    params=quotas(overrides=[{"dimensions": {"code": "code of it"}, "maxAmount": 5, "validDuration": "2s"}]),
    wrong=[
        (quotas(name=""), "spec.params.quotas[0].name"),
        (quotas(maxAmount=-1), "spec.params.quotas[0].maxAmount"),
        (quotas(validDuration="-1s"), "spec.params.quotas[0].validDuration"),
        (quotas(overrides=[{"maxAmount": -1}]), "spec.params.quotas[0].overrides[0].maxAmount"),
        (quotas(overrides=[{"validDuration": "-1s"}]), "spec.params.quotas[0].overrides[0].validDuration"),
        ({"quotas": [CALLS, CALLS]}, "spec.params.quotas[1].name"),
        ({"minDeduplicationDuration": "0s"}, "spec.params.minDeduplicationDuration"),
        ({"quotas": []}, "spec.params.quotas"),
    ],
    misfits=[(sample_spec(QUOTA, name="other.instance.test"), "spec.params.quotas")],
)
