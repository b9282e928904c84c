"""CloudWatch's backend is the strict receiver: it speaks what AWS's own clients speak, and holds signatures against keys."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.templates.catalogue import LOG_ENTRY, METRIC
from flotilla_mixer.testing.cloudwatch.receiver import Receiver
from flotilla_mixer.testing.conformance.case import AdapterCase
from flotilla_mixer.testing.conformance.samples import sample_row, sample_spec
from flotilla_shared.model.expressions import ValueType

COUNTED = sample_spec(METRIC, name="calls.instance.test")
TIMED = sample_spec(METRIC, name="time.instance.test", value=ValueType.DURATION)
LOGGED = sample_spec(LOG_ENTRY, name="log.instance.test")
FILE = str(Path(__file__).with_name("cloudwatch.credentials"))
LOG_ROW = (None, *sample_row(LOGGED)[1:])  # its time is now: what is older than two weeks is refused


class Backend(Receiver):
    """With its parameters."""

    async def start(self) -> Mapping[str, Any]:  # type: ignore[override]
        await super().start()
        return {
            "endpoints": {"metrics": self.url, "logs": self.url},
            "flushDuration": "0.05s",
            "logFlushDuration": "0s",
        }

    async def stop(self) -> None:
        self.hold(False)
        await super().stop()


def metrics(**changes: object) -> dict[str, object]:
    return {"metricInfo": {COUNTED.name: {"unit": "Count"} | changes, TIMED.name: {"unit": "Milliseconds"}}}


def credentials(**changes: object) -> dict[str, object]:
    return {"credentials": {"secretFile": FILE} | changes}


PARAMS: Mapping[str, Any] = {
    "namespace": "Mesh",
    **metrics(),
    "logGroupName": "mesh/access",
    "logStreamName": "mixer",
    "logs": {LOGGED.name: {"payloadTemplate": "{{.who}} {{.code}}"}},
    "region": "eu-central-1",
    "endpoints": {"metrics": "http://127.0.0.1:1", "logs": "http://127.0.0.1:1"},
    **credentials(),
    "timeout": "1s",
    "whenMissing": "CREATE_GROUP",
}
ROLE = "arn:aws:iam::123456789012:role/mixer"
COUNT, TIME = f"spec.params.metricInfo[{COUNTED.name}]", f"spec.params.metricInfo[{TIMED.name}]"
LOGIN = "spec.params.credentials"
CASE = AdapterCase(
    Cloudwatch,
    rows={COUNTED: [sample_row(COUNTED)] * 3, TIMED: [sample_row(TIMED)] * 3, LOGGED: [LOG_ROW] * 3},
    params=PARAMS,
    secrets={
        "credentials.secretFile": {"credentials": {"secretFile": "/elsewhere/keys"}},
        "credentials.webIdentityTokenFile": {
            "credentials": {
                "webIdentityTokenFile": "/elsewhere/token",
                "roleArn": "arn:aws:iam::123456789012:role/mixer",
            }
        },
    },
    wrong=[
        ({"namespace": ""}, "spec.params.namespace"),
        ({"namespace": "AWS/EC2"}, "spec.params.namespace"),
        ({"namespace": ":mesh"}, "spec.params.namespace"),
        ({"namespace": "é"}, "spec.params.namespace"),
        ({"metricInfo": {}}, "spec.params.metricInfo"),
        (metrics(unit=99), f"{COUNT}.unit"),
        (metrics(metricName="é"), f"{COUNT}.metricName"),
        (metrics(metricName=":a"), f"{COUNT}.metricName"),
        (metrics(storageResolution=30), f"{COUNT}.storageResolution"),
        (metrics(statistics=7), f"{COUNT}.statistics"),
        (metrics(significantDigits=16), f"{COUNT}.significantDigits"),
        ({"metricInfo": {COUNTED.name: {}, TIMED.name: {"unit": "Count"}}}, f"{TIME}.unit"),
        ({"logGroupName": ""}, "spec.params.logGroupName"),
        ({"logGroupName": "a b"}, "spec.params.logGroupName"),
        ({"logStreamName": ""}, "spec.params.logStreamName"),
        ({"logStreamName": "a:b"}, "spec.params.logStreamName"),
        ({"logs": {}}, "spec.params.logs"),
        ({"logs": {LOGGED.name: {"payloadTemplate": "{{.who"}}}, f"spec.params.logs[{LOGGED.name}].payloadTemplate"),
        ({"whenMissing": 7}, "spec.params.whenMissing"),
        ({"logRetentionDays": 2}, "spec.params.logRetentionDays"),
        ({"flushDuration": "-1s"}, "spec.params.flushDuration"),
        ({"flushDuration": "3601s"}, "spec.params.flushDuration"),
        ({"logFlushDuration": "-1s"}, "spec.params.logFlushDuration"),
        ({"timeout": "0s"}, "spec.params.timeout"),
        ({"timeout": "61s"}, "spec.params.timeout"),
        ({"region": "Frankfurt!"}, "spec.params.region"),
        ({"endpoints": {"metrics": "monitoring"}}, "spec.params.endpoints.metrics"),
        ({"endpoints": {"logs": "ftp://a"}}, "spec.params.endpoints.logs"),
        ({"endpoints": {"sts": "http://me:secret@a"}}, "spec.params.endpoints.sts"),
        (credentials(secretFile="aws/credentials"), f"{LOGIN}.secretFile"),
        (credentials(profile="a]"), f"{LOGIN}.profile"),
        (credentials(roleArn="mixer"), f"{LOGIN}.roleArn"),
        (credentials(externalId="abc"), f"{LOGIN}.roleArn"),
        (credentials(roleArn=ROLE, externalId="a b"), f"{LOGIN}.externalId"),
        (credentials(roleArn=ROLE, roleSessionName="a b"), f"{LOGIN}.roleSessionName"),
        (credentials(roleArn=ROLE, webIdentityTokenFile="/token"), f"{LOGIN}.webIdentityTokenFile"),
        ({"credentials": {"webIdentityTokenFile": "/token"}}, f"{LOGIN}.roleArn"),
        ({"credentials": {"webIdentityTokenFile": "token", "roleArn": ROLE}}, f"{LOGIN}.webIdentityTokenFile"),
    ],
    misfits=[
        (sample_spec(METRIC, name="other.instance.test"), "spec.params.metricInfo"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.BOOL), "spec.params.metricInfo"),
        (sample_spec(METRIC, name=COUNTED.name, value=ValueType.DURATION), f"{COUNT}.unit"),
        (sample_spec(METRIC, [f"d{number}" for number in range(31)], name=COUNTED.name), "spec.params.metricInfo"),
        (sample_spec(METRIC, ["straße"], name=COUNTED.name), "spec.params.metricInfo"),
        (sample_spec(LOG_ENTRY, name="other.instance.test"), "spec.params.logs"),
        (sample_spec(LOG_ENTRY, (), name=LOGGED.name), "spec.params.logs"),
    ],
    backend=Backend,
)
