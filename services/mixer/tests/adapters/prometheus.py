"""Prometheus asks Mixer, and not the other way round: there is no backend that could be away."""

from flotilla_mixer.adapters.prometheus.adapter import Prometheus
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="size.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
SIZE = {"instanceName": COUNTED.name, "kind": "COUNTER", "labelNames": ["who", "code"], "name": "size_total"}
TIME = {"instanceName": TIMED.name, "kind": "DISTRIBUTION", "labelNames": ["who", "code"]}


def metrics(**changes: object) -> dict[str, object]:
    return {"metrics": [SIZE | changes, TIME]}


CASE = AdapterCase(
    Prometheus,
    rows={spec: [sample_row(spec)] * 3 for spec in (COUNTED, TIMED)},
    params=metrics(),
    secrets={
        f"remoteWrite.{name}": {
            "remoteWrite": {"url": "https://prometheus/", "username": user, name: "/elsewhere/secret"}
        }
        for name, user in (("passwordFile", "mixer"), ("bearerTokenFile", ""))
    },
    wrong=[
        (metrics(kind="UNSPECIFIED"), "spec.params.metrics[0].kind"),
        (metrics(kind=17), "spec.params.metrics[0].kind"),
        (metrics(instanceName=""), "spec.params.metrics[0].instanceName"),
        (metrics(name="time_instance_test"), "spec.params.metrics[1].name"),
        (metrics(name="a~b"), "spec.params.metrics[0].name"),
        (metrics(labelNames=["who", "co~de"]), "spec.params.metrics[0].labelNames"),
        (metrics(labelNames=["who", "who", "code"]), "spec.params.metrics[0].labelNames"),
        (metrics(labelNames=["who"]), "spec.params.metrics"),
        (metrics(buckets={"explicit_buckets": {"bounds": [2, 1]}}), "spec.params.metrics[0].buckets"),
        (metrics(buckets={"explicit_buckets": {"bounds": []}}), "spec.params.metrics[0].buckets"),
        (metrics(buckets={"explicit_buckets": {"bounds": ["NaN"]}}), "spec.params.metrics[0].buckets"),
        (metrics(buckets={"linear_buckets": {"num_finite_buckets": 3}}), "spec.params.metrics[0].buckets"),
        (
            metrics(buckets={"linear_buckets": {"num_finite_buckets": 2_000_000_000, "width": 1}}),
            "spec.params.metrics[0].buckets",
        ),
        (
            metrics(buckets={"exponential_buckets": {"num_finite_buckets": 5000, "scale": 1, "growth_factor": 2}}),
            "spec.params.metrics[0].buckets",
        ),
        (metrics(exemplarDimensions=["who"]), "spec.params.metrics[0].exemplarDimensions"),
        ({"remoteWrite": {}}, "spec.params.remoteWrite.url"),
        ({"remoteWrite": {"url": "http://p/", "interval": "10ms"}}, "spec.params.remoteWrite.interval"),
        ({"metricsExpirationPolicy": {}}, "spec.params.metricsExpirationPolicy.metricsExpiryDuration"),
        (
            {"metricsExpirationPolicy": {"metricsExpiryDuration": "1s", "expiryCheckIntervalDuration": "-1s"}},
            "spec.params.metricsExpirationPolicy.expiryCheckIntervalDuration",
        ),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metrics"),
        (sample_spec(METRIC, ("code",), name=COUNTED.name), "spec.params.metrics"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.BOOL), "spec.params.metrics"),
    ],
)
