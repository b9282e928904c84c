"""Noop has no backend and no parameters."""

from flotilla_mixer.adapters.noop.adapter import Noop
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec

SPECS = [sample_spec(TEMPLATES[name]) for name in sorted(Noop.templates)]

CASE = AdapterCase(Noop, rows={spec: [sample_row(spec)] * 2 for spec in SPECS})
