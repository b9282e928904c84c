"""One template's method of a backend: requests as bytes, and what its replies say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from google.protobuf.message import DecodeError, Message

from flotilla_mixer.adapters.remote.outputs import outputs_of
from flotilla_mixer.kit.direct import direct_response
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.templates.template import InstanceSpec, Variety
from flotilla_mixer.templates.wire import sized, tag_of
from flotilla_protos.istio.mixer.adapter.model.v1beta1.check_pb2 import CheckResult as CheckReply
from flotilla_protos.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaRequest
from flotilla_protos.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaResult as QuotaReply

NANOSECONDS = 1_000_000_000
INSTANCES = ("instance", "instances")


class ReplyError(ValueError):
    """The backend's reply cannot be understood; the text says why."""


class Service:
    """How one template is called. `path` is that of the method; `request` describes its request.

    `reply` is the class of the reply where it holds outputs, None otherwise.
    """

    def __init__(self, path: str, variety: Variety, request: DescriptorProto, reply: type[Message] | None) -> None:
        """Raises ValueError for a request that takes no instance."""
        self.path = path
        self.variety = variety
        self._reply = reply
        tags = {field.name: tag_of(field.number, Field.TYPE_BYTES) for field in request.field}
        found = [tags[name] for name in INSTANCES if name in tags]
        if not found:
            raise ValueError(f"the request {request.name} of {path} has no field for instances")
        self._instance = found[0]
        self._config, self._dedup = tags.get("adapter_config", b""), tags.get("dedup_id", b"")
        self._quota = tags.get("quota_request", b"")

    def request(self, instances: Sequence[bytes], config: bytes, dedup_id: str, quota: bytes = b"") -> bytes:
        """The bytes of a request; `config` is an Any, empty for none."""
        parts = [sized(self._instance, each) for each in instances]
        if config and self._config:
            parts.append(sized(self._config, config))
        if self._dedup:
            parts.append(sized(self._dedup, dedup_id.encode()))
        if quota and self._quota:
            parts.append(sized(self._quota, quota))
        return b"".join(parts)

    def check_result(self, reply: bytes) -> CheckResult:
        """Raises ReplyError."""
        if self._reply is None:
            return _result(_parsed(CheckReply, reply), None)
        found = _parsed(self._reply, reply)
        try:
            result = CheckReply.FromString(found.result.SerializeToString())
        except (AttributeError, DecodeError) as error:
            raise ReplyError(f"the reply of {self.path} has no result of a Check") from error
        return _result(result, outputs_of(found.output) if found.HasField("output") else None)

    def outputs(self, reply: bytes) -> Mapping[str, object]:
        """What a generator gives. Raises ReplyError."""
        assert self._reply is not None
        return outputs_of(_parsed(self._reply, reply))


def quota_request(instance: str, amount: int, best_effort: bool) -> bytes:
    """What is asked of one quota, by the instance's full name."""
    wanted = QuotaRequest.QuotaParams(amount=amount, best_effort=best_effort)
    return QuotaRequest(quotas={instance: wanted}).SerializeToString()


def quota_result(instance: str, reply: bytes) -> QuotaResult:
    """Raises ReplyError, also for a reply that says nothing of this quota. A status that is not OK grants nothing."""
    found = _parsed(QuotaReply, reply)
    if instance not in found.quotas:
        raise ReplyError(f"the backend's reply says nothing of the quota {instance}")
    result = found.quotas[instance]
    amount = 0 if result.status.code else max(0, result.granted_amount)
    return QuotaResult(amount, _seconds(result.valid_duration), result.status.code, result.status.message)


def _result(reply: Any, outputs: Mapping[str, object] | None) -> CheckResult:
    return CheckResult(
        reply.status.code,
        reply.status.message,
        _seconds(reply.valid_duration),
        reply.valid_use_count,
        direct=direct_response(reply.status.details),
        outputs=outputs,
    )


def _parsed(kind: Any, reply: bytes) -> Any:
    try:
        return kind.FromString(reply)
    except DecodeError as error:
        raise ReplyError(f"the backend's reply is no {kind.DESCRIPTOR.full_name}") from error


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)


Encode = Callable[[InstanceSpec, Any], bytes]
"""The bytes of an instance's InstanceMsg, of its row."""


def session_config(session_id: str) -> bytes:
    """What calls of a session carry in place of the handler's parameters (Istio's handler services say it)."""
    return AnyMessage(type_url="google.protobuf.Any.type_url", value=session_id.encode()).SerializeToString()
