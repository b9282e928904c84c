"""Kubernetesenv asks Mixer's own index, which is empty here."""

from flotilla_mixer.adapters.kubernetesenv.adapter import KubernetesEnv
from flotilla_mixer.templates.catalogue import KUBERNETES
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPEC = sample_spec(KUBERNETES)

CASE = AdapterCase(
    KubernetesEnv,
    rows={SPEC: [sample_row(SPEC), ("kubernetes://a.default", None, "", bytes(16), 80)]},
    wrong=[({"kubeconfigPath": "/etc/other"}, "spec.params.kubeconfigPath")],
)
