"""Backends of adapters out of process for tests: real gRPC servers of Istio's own services, and their objects."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import yaml
from google.rpc.status_pb2 import Status

from flotilla_mixer.templates.remote import remote_template
from flotilla_mixer.templates.standard import STANDARD, descriptor_text, standard_descriptors
from flotilla_protos.istio.mixer.adapter.kubernetesenv.template import (
    template_handler_service_pb2 as kubernetes_messages,
)
from flotilla_protos.istio.mixer.adapter.kubernetesenv.template import template_handler_service_pb2_grpc as kubernetes
from flotilla_protos.istio.mixer.adapter.list.config import config_pb2 as list_config
from flotilla_protos.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2 as sessions
from flotilla_protos.istio.mixer.adapter.model.v1beta1.check_pb2 import CheckResult
from flotilla_protos.istio.mixer.adapter.model.v1beta1.infrastructure_backend_pb2_grpc import (
    InfrastructureBackendServicer,
    add_InfrastructureBackendServicer_to_server,
)
from flotilla_protos.istio.mixer.adapter.model.v1beta1.quota_pb2 import QuotaResult
from flotilla_protos.istio.mixer.adapter.model.v1beta1.report_pb2 import ReportResult
from flotilla_protos.istio.mixer.template.checknothing import template_handler_service_pb2_grpc as nothing
from flotilla_protos.istio.mixer.template.listentry import template_handler_service_pb2_grpc as listentry
from flotilla_protos.istio.mixer.template.metric import template_handler_service_pb2_grpc as metric
from flotilla_protos.istio.mixer.template.quota import template_handler_service_pb2_grpc as quota

PERMISSION_DENIED = 7
_JOINS: tuple[Any, ...] = (
    listentry.add_HandleListEntryServiceServicer_to_server,
    metric.add_HandleMetricServiceServicer_to_server,
    quota.add_HandleQuotaServiceServicer_to_server,
    kubernetes.add_HandleKubernetesServiceServicer_to_server,
    nothing.add_HandleCheckNothingServiceServicer_to_server,
    add_InfrastructureBackendServicer_to_server,
)
NAMESPACE = "istio-system"
_OTHERS = sorted({*STANDARD} - {"checknothing", "kubernetes", "listentry", "metric", "quota"})
_IS_CALL = re.compile(r"HandleExceptions|rpc_task|_handle_")


class Backend(
    listentry.HandleListEntryServiceServicer,
    metric.HandleMetricServiceServicer,
    quota.HandleQuotaServiceServicer,
    kubernetes.HandleKubernetesServiceServicer,
    nothing.HandleCheckNothingServiceServicer,
    InfrastructureBackendServicer,
):
    """A list, a store of metrics, a quota of `granted` units, a generator of `outputs` and sessions, in one server.

    `requests` and `metadata` are what came, in order; `arrived` is set by each. A call waits while `released` is not
    set, and fails while `broken` is.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.allowed = set(allowed)
        self.granted = 5
        self.outputs: Mapping[str, Any] = {}
        self.requests: list[Any] = []
        self.metadata: list[Mapping[str, str]] = []
        self.arrived = asyncio.Event()
        self.released = asyncio.Event()
        self.released.set()
        self.broken: grpc.StatusCode | None = None
        self.refusal = ""
        self.open_sessions: list[str] = []
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> int:
        """Listen on loopback; gives the port."""
        self._server = server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for join in _JOINS:
            join(self, server)
        for name in _OTHERS:
            server.add_generic_rpc_handlers((self._other(name),))
        address = f"127.0.0.1:{port}"
        add = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        self.port = add
        await server.start()
        return self.port

    async def stop(self) -> None:
        self.released.set()
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
            await _calls_end()

    def _other(self, name: str) -> grpc.GenericRpcHandler:
        """Of a template that has no method here: an empty answer, which lets pass and knows nothing."""
        method = remote_template(name, standard_descriptors(name)).method
        assert method is not None
        _, service, called = method.path.split("/")

        async def answer(request: bytes, context: Any) -> bytes:
            await self._came(request, context)
            return b""

        return grpc.method_handlers_generic_handler(service, {called: grpc.unary_unary_rpc_method_handler(answer)})

    async def _came(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata.append({name: str(value) for name, value in context.invocation_metadata()})
        self.arrived.set()
        await self.released.wait()
        if self.broken is not None:
            await context.abort(self.broken, "as the test wants it")

    async def HandleListEntry(self, request: Any, context: Any) -> CheckResult:  # noqa: N802
        await self._came(request, context)
        entries = self.allowed
        if request.adapter_config.Is(list_config.Params.DESCRIPTOR):
            entries = entries | set(list_config.Params.FromString(request.adapter_config.value).overrides)
        if request.instance.value.string_value in entries:
            return CheckResult(valid_use_count=7)
        return CheckResult(status=Status(code=PERMISSION_DENIED, message="not on the list"), valid_use_count=3)

    async def HandleCheckNothing(self, request: Any, context: Any) -> CheckResult:  # noqa: N802
        await self._came(request, context)
        return CheckResult(status=Status(code=PERMISSION_DENIED, message="nothing passes"))

    async def HandleMetric(self, request: Any, context: Any) -> ReportResult:  # noqa: N802
        await self._came(request, context)
        return ReportResult()

    async def HandleQuota(self, request: Any, context: Any) -> QuotaResult:  # noqa: N802
        await self._came(request, context)
        result = QuotaResult()
        for name, wanted in request.quota_request.quotas.items():
            result.quotas[name].granted_amount = min(self.granted, wanted.amount)
            result.quotas[name].valid_duration.seconds = 20
        return result

    async def HandleKubernetes(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._came(request, context)
        return kubernetes_messages.OutputMsg(**self.outputs)

    async def Validate(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._came(request, context)
        code = PERMISSION_DENIED if self.refusal else 0
        return sessions.ValidateResponse(status=Status(code=code, message=self.refusal))

    async def CreateSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._came(request, context)
        self.open_sessions.append(f"session-{len(self.requests)}")
        return sessions.CreateSessionResponse(session_id=self.open_sessions[-1])

    async def CloseSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._came(request, context)
        self.open_sessions.remove(request.session_id)
        return sessions.CloseSessionResponse()


async def _calls_end() -> None:
    """gRPC's own tasks of calls outlive their server by a moment."""
    left = [task for task in asyncio.all_tasks() if _IS_CALL.search(repr(task.get_coro()))]
    if left:
        await asyncio.wait(left, timeout=5)


def template_object(name: str, descriptor: str = "") -> str:
    """`kind: template` of one of Istio's own, or of a descriptor in base64."""
    return _object("template", name, {"descriptor": descriptor or descriptor_text(standard_descriptors(name))})


def adapter_object(name: str, templates: Sequence[str], *, session_based: bool = False, config: str = "") -> str:
    spec = {"templates": list(templates), "session_based": session_based, "config": config}
    return _object("adapter", name, spec)


def handler_object(name: str, adapter: str, connection: Mapping[str, Any], params: Any = None) -> str:
    spec = {"adapter": adapter, "connection": dict(connection)}
    return _object("handler", name, spec if params is None else {**spec, "params": params})


def instance_object(name: str, template: str, params: Mapping[str, Any]) -> str:
    return _object("instance", name, {"template": template, "params": dict(params)})


def rule_object(name: str, handler: str, *instances: str, **more: Any) -> str:
    action = {"handler": handler, "instances": list(instances), "name": more.pop("action", "")}
    return _object("rule", name, {"actions": [action], **more})


def _object(kind: str, name: str, spec: Mapping[str, Any]) -> str:
    meta = {"name": name, "namespace": NAMESPACE}
    content = {"apiVersion": "config.istio.io/v1alpha2", "kind": kind, "metadata": meta, "spec": dict(spec)}
    return f"---\n{yaml.safe_dump(content)}"
