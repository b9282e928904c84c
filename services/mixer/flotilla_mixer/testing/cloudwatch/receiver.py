"""CloudWatch as strict as its pages: it takes what is within all limits, and keeps it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from flotilla_mixer.testing.cloudwatch.http import Answer, AwsServer, Key, Request, error
from flotilla_mixer.testing.cloudwatch.rules import event_faults, is_group, is_stream, metric_faults, rejected_info

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # those of AWS's own pages
_ROLE = """<{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{0}Result><Credentials>
<AccessKeyId>{1}</AccessKeyId><SecretAccessKey>{2}</SecretAccessKey><SessionToken>{3}</SessionToken>
<Expiration>{4}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/mixer/x</Arn>
<AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser></{0}Result></{0}Response>"""


class Receiver(AwsServer):
    """`metrics` are (namespace, datum) as they came, `events` by group and stream, `retention` days by group. `denied` are
    operations that nobody may use. `violations` are what broke a rule: it was refused, too.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.keys = {KEY: Key(SECRET)}
        self.metrics: list[tuple[str, dict[str, Any]]] = []
        self.events: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.retention: dict[str, int] = {}
        self.denied: set[str] = set()
        self.violations: list[str] = []
        self.issued: list[str] = []
        self._clock = clock
        super().__init__(self._answered, self.keys)

    def received(self) -> int:
        """Values of metrics and events, of its whole life."""
        values = sum(samples(datum) for _, datum in self.metrics)
        return values + sum(len(events) for streams in self.events.values() for events in streams.values())

    def _answered(self, request: Request) -> Answer:
        if request.operation in self.denied:
            return error("AccessDeniedException", f"User is not authorized to perform: {request.operation}")
        operations: Mapping[str, Callable[[Request], Answer]] = {
            "PutMetricData": self._put_metrics,
            "PutLogEvents": self._put_events,
            "CreateLogGroup": self._create_group,
            "CreateLogStream": self._create_stream,
            "PutRetentionPolicy": self._put_retention,
            "AssumeRole": self._assume_role,
            "AssumeRoleWithWebIdentity": self._assume_role,
        }
        return operations[request.operation](request)

    def _refused(self, code: str, faults: list[str]) -> Answer:
        self.violations += faults
        return error(code, "; ".join(faults[:3]))

    def _put_metrics(self, request: Request) -> Answer:
        faults = list(metric_faults(request.body, request.length, self._clock()))
        if faults:
            return self._refused("InvalidParameterValueException", faults)
        self.metrics += [(request.body["Namespace"], datum) for datum in request.body["MetricData"]]
        return Answer(200, {})

    def _put_events(self, request: Request) -> Answer:
        events = request.body["logEvents"]
        faults = list(event_faults(events, self._clock()))
        if faults:
            return self._refused("InvalidParameterException", faults)
        group = request.body["logGroupName"]
        stream = self.events.get(group, {}).get(request.body["logStreamName"])
        if stream is None:
            return error("ResourceNotFoundException", "The specified log stream does not exist.")
        times = [each["timestamp"] for each in events]
        info = rejected_info(times, self._clock(), self.retention.get(group, 0))
        begin = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
        stream += events[begin : info.get("tooNewLogEventStartIndex", len(events))]
        return Answer(200, {"rejectedLogEventsInfo": info} if info else {})

    def _create_group(self, request: Request) -> Answer:
        name = request.body["logGroupName"]
        if not is_group(name):
            return self._refused("InvalidParameterException", [f"the group {name!r}"])
        if name in self.events:
            return error("ResourceAlreadyExistsException", "The specified log group already exists")
        self.events[name] = {}
        return Answer(200, {})

    def _create_stream(self, request: Request) -> Answer:
        group, name = self.events.get(request.body["logGroupName"]), request.body["logStreamName"]
        if not is_stream(name):
            return self._refused("InvalidParameterException", [f"the stream {name!r}"])
        if group is None:
            return error("ResourceNotFoundException", "The specified log group does not exist.")
        if name in group:
            return error("ResourceAlreadyExistsException", "The specified log stream already exists")
        group[name] = []
        return Answer(200, {})

    def _put_retention(self, request: Request) -> Answer:
        self.retention[request.body["logGroupName"]] = request.body["retentionInDays"]
        return Answer(200, {})

    def _assume_role(self, request: Request) -> Answer:
        """A new pair of keys each time, good for an hour."""
        self.issued.append(request.body.get("WebIdentityToken", request.key))
        name = f"ASIA{len(self.issued)}"
        self.keys[name] = Key(f"secret-{name}", f"token-{name}")
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._clock() + 3600))
        return Answer(200, _ROLE.format(request.operation, name, f"secret-{name}", f"token-{name}", until))


def samples(datum: Mapping[str, Any]) -> int:
    """How many values a datum stands for."""
    if "StatisticValues" in datum:
        return int(datum["StatisticValues"]["SampleCount"])
    return int(sum(datum.get("Counts") or [1] * len(datum.get("Values", [0]))))
