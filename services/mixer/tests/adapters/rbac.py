"""Rbac has no backend: the roles of the mesh are part of what Mixer gives to handlers."""

from flotilla_mixer.adapters.rbac.adapter import Rbac
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPEC = sample_spec(AUTHORIZATION)

CASE = AdapterCase(
    Rbac,
    rows={SPEC: [sample_row(SPEC)] * 3},
    params={"cacheDuration": "1s"},
    wrong=[
        ({"cacheDuration": "-1s"}, "spec.params.cacheDuration"),
        ({"configStoreUrl": "fs:///etc/roles"}, "spec.params.configStoreUrl"),
    ],
)
