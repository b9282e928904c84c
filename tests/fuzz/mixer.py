"""Mixer's targets: what a peer can send, and what somebody can configure or ask.

Every call is answered, nothing stays open, and whatever a bag holds goes through rules, instances and handlers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache

from google.protobuf.message import DecodeError

from flotilla_mixer.attributes.compressed import AttributesError, overlay, read_whole
from flotilla_mixer.attributes.decode import decode
from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import ABSENT, RequestBag
from flotilla_mixer.attributes.typed import Declared, python_types
from flotilla_mixer.debug.tap import Filter, FilterError, Tap, content_of
from flotilla_mixer.dispatch.check import CheckDispatcher
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.dispatch.table import DispatchTable
from flotilla_mixer.explain.explain import explain_check, explain_report
from flotilla_mixer.explain.infix import written
from flotilla_mixer.explain.plain import plain_bag
from flotilla_mixer.explain.question import QuestionError, read_question
from flotilla_mixer.explain.reasons import judged
from flotilla_mixer.expressions.compile import EvaluationError, compile_expression
from flotilla_mixer.expressions.languages import Language, read
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.offline.typed_values import typed
from flotilla_mixer.servers.access_logs import AccessLogs, LogStream, _Refused
from flotilla_mixer.servers.ext_authz import ExtAuthz
from flotilla_mixer.servers.gate import Gate
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.servers.ratelimit import RateLimits
from flotilla_mixer.shedding.throttle import ShedSettings, Throttle
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_protos.flotilla.mixer.v1.report_pb2 import Attributes
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_shared.model.expressions import VOCABULARY, ExpressionError, ValueType, parse
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer

Target = Callable[[bytes], None]
CALLER = Peer("127.0.0.1:1", identity="spiffe://cluster.local/ns/default/sa/ratings")
DEFAULTS: Mapping[ValueType, str] = {
    ValueType.STRING: '"x"',
    ValueType.INT64: "0",
    ValueType.DOUBLE: "0.5",
    ValueType.BOOL: "false",
    ValueType.TIMESTAMP: 'timestamp("2026-01-01T00:00:00Z")',
    ValueType.DURATION: '"0s"',
    ValueType.IP_ADDRESS: 'ip("1.2.3.4")',
    ValueType.STRING_MAP: "emptyStringMap()",
}
MATCH = (
    '(source.labels["version"] | "") == "v2" && match(request.path | "", "/x*") || ip(request.host | "::") == source.ip'
    ' || dnsName(request.host | "a") == dnsName("b") || uri(request.path | "/") == uri("/")'
    ' || email(source.user | "a@b") == email("c@d") || request.headers["a"].matches("[a-z]+$") || request.size > 3'
).replace('request.headers["a"].matches', '(request.headers["a"]).matches')
TELL = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: lines, namespace: istio-system}
spec: {compiledAdapter: noop}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: pages, namespace: istio-system}
spec:
  compiledAdapter: prometheus
  params: {metrics: [{name: m, instanceName: m.instance.istio-system, kind: COUNTER, labelNames: [host, from]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: istio-system}
spec: {compiledAdapter: memquota, params: {quotas: [{name: q.instance.istio-system, maxAmount: 3, validDuration: 1s}]}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: listed, namespace: istio-system}
spec: {compiledAdapter: listchecker, params: {overrides: [x], blacklist: true}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: m, namespace: istio-system}
spec:
  compiledTemplate: metric
  params: {value: request.size | 1, dimensions: {host: 'request.host | ""', from: 'source.ip | ip("1.2.3.4")'}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: q, namespace: istio-system}
spec: {compiledTemplate: quota, params: {dimensions: {a: 'source.ip | ip("1.1.1.1")', b: 'request.headers["a"] | ""'}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: l, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: 'request.path | ""'}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: all, namespace: istio-system}
spec: {compiledTemplate: logentry, params: {severity: '"info"', timestamp: TIMESTAMP, variables: VARIABLES}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tell, namespace: istio-system}
spec:
  actions:
  - {handler: lines, instances: [all]}
  - {handler: pages, instances: [m]}
  - {handler: limits, instances: [q]}
  - {handler: listed, instances: [l]}
  requestHeaderOperations: [{name: x-a, values: ['request.path | ""']}]
"""


def everything() -> str:
    """Rules whose instances hold every attribute that there is."""
    variables = {name.replace(".", "_"): f"{name} | {DEFAULTS[kind]}" for name, kind in sorted(VOCABULARY.items())}
    moment = json.dumps(f"request.time | {DEFAULTS[ValueType.TIMESTAMP]}")
    return TELL.replace("VARIABLES", json.dumps(variables)).replace("TIMESTAMP", moment)


class Inside:
    """Mixer's servers without a port, on a loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(self._make())

    async def _make(self) -> None:
        metrics = MixerMetrics(ServiceMetrics("mixer"))
        failures = Failures(metrics)
        self.swap, self.tap = Swap("istio-system"), Tap()
        self.table: DispatchTable = self.swap.put(configured(deny(MATCH), everything()))
        assert len(self.table.by_key) == 5, self.swap.problems
        checks, quotas, reports = CheckDispatcher(failures), QuotaDispatcher(failures), ReportDispatcher(failures)
        self.listener = self.tap.listen(Filter())
        gate = Gate(Throttle(ShedSettings(mode="disabled"), metrics), 1_000_000)
        self.native = NativeMixer(lambda: self.table, checks, quotas, reports, metrics, as_given=True, tap=self.tap)
        self.believing = NativeMixer(lambda: self.table, checks, quotas, reports, metrics)
        self.asked = ExtAuthz(lambda: self.table, checks, quotas, metrics, gate, self.tap)
        self.limits = RateLimits(lambda: self.table, quotas, metrics, gate)
        self.logs = AccessLogs(lambda: self.table, reports, metrics, gate, self.tap)

    def send(self, *functions: Callable[[list[Call]], None]) -> Target:
        """A target that asks these functions, each by itself, and waits for their answers."""

        async def ask(data: bytes) -> None:
            for function in functions:
                answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
                function([Call("", data, (), CALLER, None, answer)])
                await asyncio.wait([answer], timeout=5)
                assert answer.done()
                answer.exception()
            assert self.table.open_calls == 0
            self.listener._lines.clear()

        return lambda data: self.loop.run_until_complete(ask(data))


@cache
def started() -> Inside:
    """One for all targets: its loop lives as long as the process."""
    return Inside()


def check() -> Target:
    inside = started()
    return inside.send(inside.native.check, inside.believing.check)


def report() -> Target:
    inside = started()
    return inside.send(inside.native.report, inside.believing.report)


def ext_authz() -> Target:
    inside = started()
    return inside.send(inside.asked.check)


def rate_limits() -> Target:
    inside = started()
    return inside.send(inside.limits.should_rate_limit)


def access_logs() -> Target:
    inside = started()

    async def take(data: bytes) -> None:
        for direction in ("inbound", "outbound"):
            stream = LogStream(CALLER)
            stream.direction = direction  # type: ignore[assignment]  # one of the two
            try:
                inside.logs.take(stream, data)
            except _Refused:
                return
        assert inside.table.open_calls == 0
        inside.listener._lines.clear()

    return lambda data: inside.loop.run_until_complete(take(data))


def attributes() -> Target:
    """All readers of one message: they raise what they say, and agree where the message is sound."""
    known, declared = global_dictionary(), Declared(python_types(VOCABULARY))

    def read(data: bytes) -> None:
        try:
            message = CompressedAttributes.FromString(data)
        except DecodeError:
            return
        lazy, whole, strict = RequestBag(message, known), read_whole(message, known), {}
        assert {name for name in lazy if lazy.peek(name) is not ABSENT} == content_of(lazy).keys()
        plain_bag(whole)
        with suppress(DecodeError):
            # An entry with more in it than a key and a value is none for protobuf, and one for the quick reader.
            assert dict(decode(Attributes.FromString(data), known, declared)).keys() >= whole.keys()
        try:
            overlay(strict, message, known)
        except AttributesError:
            return
        again: dict[str, object] = {}
        overlay(again, encode(strict, known, 222), known)
        assert shown(again) == shown(strict)

    return read


def shown(bag: Mapping[str, object]) -> dict[str, str]:
    return {name: json.dumps(typed(value), sort_keys=True) for name, value in bag.items()}


def evaluation() -> Target:
    """An expression, and behind a NUL the texts that its attributes have."""
    names = [name for name, kind in VOCABULARY.items() if kind is ValueType.STRING]

    def work_out(data: bytes) -> None:
        text, *values = data.decode("utf-8", "replace").split("\0")
        bag: dict[str, object] = dict(zip(names, values, strict=False))
        bag["request.headers"] = bag["source.labels"] = {value: value for value in values}
        bag["request.size"] = len(values)
        try:
            tree = parse(text)
            assert str(parse(written(tree))) == str(tree)
            judged(text, bag, VOCABULARY)
            compile_expression(tree, VOCABULARY)(bag)
        except (ExpressionError, EvaluationError):
            return

    return work_out


def cel() -> Target:
    """The same of the languages that have CEL's meaning."""
    names = [name for name, kind in VOCABULARY.items() if kind is ValueType.STRING]

    def work_out(data: bytes) -> None:
        text, *values = data.decode("utf-8", "replace").split("\0")
        bag: dict[str, object] = dict(zip(names, values, strict=False))
        bag["request.headers"] = {value: value for value in values}
        for language in (Language.CEL, Language.COMPAT):
            with suppress(ExpressionError, EvaluationError):
                expression, _ = read(text, VOCABULARY, language)
                compile_expression(expression, VOCABULARY)(bag)

    return work_out


def questions() -> Target:
    """What is posted to the introspection port, and filters of the tap."""
    inside = started()

    async def ask(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for name in ("match", "rate", "kind", "rule"):
            with suppress(FilterError):
                Filter.read({name: text}, VOCABULARY)
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return
        with suppress(QuestionError):
            question = read_question(given)
            json.dumps(await explain_check(inside.table, question))
            json.dumps(await explain_report(inside.table, question))
        assert inside.table.open_calls == 0

    return lambda data: inside.loop.run_until_complete(ask(data))


TARGETS: dict[str, Callable[[], Target]] = {
    "mixer-attributes": attributes,
    "mixer-check": check,
    "mixer-report": report,
    "mixer-ext-authz": ext_authz,
    "mixer-rate-limits": rate_limits,
    "mixer-access-logs": access_logs,
    "mixer-expressions": evaluation,
    "mixer-cel": cel,
    "mixer-questions": questions,
}
