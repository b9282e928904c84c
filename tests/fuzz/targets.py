"""What is fuzzed: functions of any bytes that return, whatever these are. An exception is a fault of Flotilla's.

Each is made once (`TARGETS[name]()`) and then called for every input. What it may raise for bad input it catches itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import yaml
from google.protobuf.message import DecodeError

from flotilla_galley.admission.decide import decide
from flotilla_galley.distribution.access import EVERYTHING
from flotilla_galley.distribution.distributor import Distributor
from flotilla_galley.distribution.mcp import McpStream
from flotilla_galley.distribution.metrics import DistributionMetrics
from flotilla_galley.distribution.stream import StreamRefused, SubscriberStream
from flotilla_galley.distribution.xds import XdsStream
from flotilla_galley.snapshot.snapshot import make_snapshot
from flotilla_galley.sources.documents import read_objects
from flotilla_galley.sources.yaml_documents import YamlDocument, read_documents
from flotilla_galley.validation.validate import validate_object
from flotilla_shared.model.expressions import ExpressionError, parse
from flotilla_shared.notation.values import read_value
from flotilla_shared.runtime.kube.admission import review
from flotilla_shared.runtime.metrics import ServiceMetrics
from tests.fuzz import mixer
from tests.fuzz.choices import Choices
from tests.fuzz.objects import any_object

Target = Callable[[bytes], None]
CALLER = "spiffe://cluster.local/ns/a/sa/b"
OBJECTS = """
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: a, namespace: x}
spec: {address: 1.2.3.4}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: a, namespace: x}
spec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
"""


def yaml_reader() -> Target:
    def read(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        placed = list(read_documents(text, columns=True))  # by the parser alone
        assert all(each.line >= 1 for each in placed)
        for plain, other in zip(read_documents(text), placed, strict=True):
            assert (type(plain), plain.line) == (type(other), other.line)
            if isinstance(plain, YamlDocument) and isinstance(other, YamlDocument):
                assert repr(plain.value) == repr(other.value)
        try:
            read_value(data, 10_000)
        except yaml.YAMLError:
            return

    return read


def validators() -> Target:
    """Every kind under both rule sets, as a file and as a review."""
    reply = admission()

    def validate(data: bytes) -> None:
        kind, written = any_object(Choices(data))
        found, problems = read_objects("a.yaml", json.dumps(written))
        assert found or problems
        for source in found:
            for ruleset in (None, "1.4"):
                verdict = validate_object(source, ruleset)
                assert (verdict.item is None) == any(each.severity == "error" for each in verdict.problems)
        names = {"group": kind.group, "version": kind.versions[0], "kind": kind.kind}
        request = {"uid": "u", "operation": "UPDATE", "kind": names, "namespace": "x", "object": written}
        body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
        reply(json.dumps(body).encode())

    return validate


def admission() -> Target:
    def answer(data: bytes) -> None:
        reply = review(data, "/validate", lambda request, path: decide(request).answer)
        assert reply.status in (200, 400)
        assert reply.status == 400 or isinstance(json.loads(reply.body)["response"]["allowed"], bool)

    return answer


def expressions() -> Target:
    def read(data: bytes) -> None:
        try:
            parse(data.decode("utf-8", "surrogateescape"))
        except ExpressionError:
            return

    return read


def mcp() -> Target:
    return _streams(McpStream)


def xds() -> Target:
    return _streams(XdsStream)


def _streams(stream: type[SubscriberStream]) -> Target:
    """Requests one after another, each of so many bytes as the byte before it says; every third asks for a response."""
    found, _ = read_objects("a.yaml", OBJECTS)
    items = [item for source in found if (item := validate_object(source).item) is not None]
    distributor = Distributor(lambda: EVERYTHING)
    distributor.publish(make_snapshot(items))
    metrics = DistributionMetrics(ServiceMetrics("galley"))
    loop = asyncio.new_event_loop()

    async def follow(data: bytes) -> None:
        subscription = distributor.open(CALLER)
        served, choices = stream(distributor, subscription, metrics), Choices(data)
        try:
            while not choices.done:
                served.request(stream.decode(choices.bytes(choices.byte())))
                await _perhaps(served)
        except (DecodeError, StreamRefused):
            return
        finally:
            subscription.close()

    return lambda data: loop.run_until_complete(follow(data))


async def _perhaps(served: SubscriberStream) -> None:
    """A response where one is due now."""
    response = asyncio.ensure_future(served.response())
    await asyncio.sleep(0)
    response.cancel()
    await asyncio.gather(response, return_exceptions=True)
    if not response.cancelled() and (error := response.exception()) is not None:
        raise error


TARGETS: dict[str, Callable[[], Target]] = {
    "yaml": yaml_reader,
    "validators": validators,
    "admission": admission,
    "mcp": mcp,
    "xds": xds,
    "expressions": expressions,
    **mixer.TARGETS,
}
