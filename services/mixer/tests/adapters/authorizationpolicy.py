"""Authorizationpolicy has no backend: the policies of the mesh are part of what Mixer gives to handlers."""

from flotilla_mixer.adapters.authorizationpolicy.adapter import AuthorizationPolicies
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPEC = sample_spec(AUTHORIZATION)

CASE = AdapterCase(
    AuthorizationPolicies,
    rows={SPEC: [sample_row(SPEC)] * 3},
    params={"validDuration": "1s", "permissive": True},
    wrong=[
        ({"validDuration": "-1s"}, "spec.params.validDuration"),
        ({"validUseCount": -1}, "spec.params.validUseCount"),
    ],
)
