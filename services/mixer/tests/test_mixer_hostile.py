"""What anybody may send, and what anybody may configure: an error or a counter, never a crash, never another's harm."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration as Seconds
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flotilla_mixer.attributes.compressed import AttributesError, overlay, read_whole
from flotilla_mixer.attributes.decode import _Known, decode, whole
from flotilla_mixer.attributes.dictionary import global_dictionary
from flotilla_mixer.attributes.encode import encode
from flotilla_mixer.attributes.request import ABSENT, RequestBag
from flotilla_mixer.attributes.typed import Declared, python_types, typed_bag
from flotilla_mixer.dispatch.check import CheckDispatcher, Question
from flotilla_mixer.dispatch.failures import Failures
from flotilla_mixer.dispatch.quota import QuotaDispatcher
from flotilla_mixer.dispatch.report import ReportDispatcher
from flotilla_mixer.kit.adapter import CheckCall, GenerateCall, HandlerCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.metrics import MixerMetrics
from flotilla_mixer.servers.native import NativeMixer
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.templates.catalogue import TEMPLATES
from flotilla_mixer.templates.template import InstanceSpec, Variety
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import configured, deny
from flotilla_protos.flotilla.mixer.v1.report_pb2 import Attributes
from flotilla_protos.istio.mixer.v1.attributes_pb2 import CompressedAttributes
from flotilla_protos.istio.mixer.v1.mixer_pb2 import CheckRequest, CheckResponse, ReportRequest
from flotilla_shared.model.expressions import Duration, Timestamp, ValueType
from flotilla_shared.runtime.batches import CallFailed
from flotilla_shared.runtime.metrics import ServiceMetrics
from flotilla_shared.runtime.serving import Call, Peer
from flotilla_shared.testing.properties import examples

KNOWN = global_dictionary()
RULES = deny('(source.labels["version"] | "") == "v2" && request.size > 3 && match(request.path, "/x*")')

numbers = st.one_of(st.integers(-30, 240), st.integers(-(2**31), 2**31 - 1))
texts = st.text(max_size=8)
messages = st.fixed_dictionaries(
    {
        "words": st.lists(st.one_of(texts, st.sampled_from(KNOWN.words)), max_size=6),
        "strings": st.dictionaries(numbers, numbers, max_size=6),
        "int64s": st.dictionaries(numbers, st.integers(-(2**63), 2**63 - 1), max_size=3),
        "bools": st.dictionaries(numbers, st.booleans(), max_size=3),
        "bytes": st.dictionaries(numbers, st.binary(max_size=20), max_size=3),
        "string_maps": st.dictionaries(numbers, st.dictionaries(numbers, numbers, max_size=4), max_size=3),
        "durations": st.dictionaries(numbers, st.integers(-(2**62), 2**62), max_size=2),
    }
)


EMPTY: dict[str, Any] = {
    "words": [],
    **{kind: {} for kind in ("strings", "int64s", "bools", "bytes", "string_maps", "durations")},
}


def message_of(content: dict[str, Any]) -> CompressedAttributes:
    message = CompressedAttributes(words=content["words"])
    for kind in ("strings", "int64s", "bools", "bytes"):
        getattr(message, kind).update(content[kind])
    for number, entries in content["string_maps"].items():
        message.string_maps[number].entries.update(entries)
    for number, seconds in content["durations"].items():
        message.durations[number].seconds = seconds
    return message


@given(messages)
@example(EMPTY | {"strings": {0: 999}, "int64s": {0: 1}})
@example(EMPTY | {"words": ["a", "a", "request.path"], "strings": {-1: 0, 17: 0}, "bools": {-3: True}})
@settings(max_examples=examples(50))
def test_the_three_readers_agree_where_a_message_is_sound(content: dict[str, Any]) -> None:
    message, strict = message_of(content), {}
    lazy = RequestBag(message, KNOWN)
    whole = read_whole(message, KNOWN)
    found = {name: value for name in lazy if (value := lazy.peek(name)) is not ABSENT}
    assert found == whole
    try:
        overlay(strict, message, KNOWN)
    except AttributesError:
        return
    assert whole.items() <= strict.items()


DECLARED = Declared(
    python_types({"request.path": ValueType.STRING, "request.size": ValueType.INT64, "a": ValueType.BOOL})
)


@given(st.lists(messages, min_size=1, max_size=2))
@example([EMPTY | {"words": ["x"], "strings": {17: -1, 5: 90}, "bools": {-1: True}, "string_maps": {15: {-1: 90}}}])
@example([EMPTY | {"words": ["x"], "strings": {17: -2}}])
@example([EMPTY | {"words": ["source.uid"], "strings": {3: 90, -1: 91}}])
@example([EMPTY | {"strings": {23: 90}, "int64s": {17: 1}}])
@settings(max_examples=examples(80))
def test_the_quick_reader_gives_what_the_careful_one_does(contents: list[dict[str, Any]]) -> None:
    """Also of a message whose maps name a key twice, as two messages one after the other do."""
    written = b"".join(message_of(content).SerializeToString() for content in contents)
    careful = typed_bag(read_whole(CompressedAttributes.FromString(written), KNOWN), DECLARED.types)
    quick = decode(Attributes.FromString(written), KNOWN, DECLARED)
    assert quick == careful
    assert type(quick) is type(careful)


@given(kind=st.sampled_from(["strings", "bools", "string_maps"]), entry=st.binary(max_size=12))
def test_an_entry_of_rubbish_is_refused_or_read(kind: str, entry: bytes) -> None:
    """A map leaves out an entry that has more fields than its own two; here they do not matter."""
    message = Attributes()
    getattr(message, kind).append(entry)
    try:
        careful = read_whole(whole(message), KNOWN)
    except DecodeError:
        with pytest.raises(DecodeError):
            decode(message, KNOWN, Declared())
        return
    assert careful.items() <= decode(message, KNOWN, Declared()).items()


def test_what_is_remembered_of_entries_is_bounded() -> None:
    """A peer may send other entries each time."""
    read = _Known(len, 100)
    for number in range(1000):
        assert read[b"%d" % number] == len(str(number))
        assert len(read) <= 100
    assert read[b"x" * 1000] == 1000
    assert b"x" * 1000 not in read


values = st.one_of(
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.binary(max_size=20),
    st.builds(Timestamp, st.integers(-(2**61), 2**61)),
    st.builds(Duration, st.integers(-(2**62), 2**62)),
    st.dictionaries(texts, texts, max_size=4),
)


@given(st.dictionaries(st.one_of(texts, st.sampled_from(KNOWN.words)), values, max_size=12), st.integers(0, 222))
def test_what_a_client_encodes_reads_back_the_same(bag: dict[str, object], words: int) -> None:
    message = CompressedAttributes.FromString(encode(bag, KNOWN, words).SerializeToString())
    strict: dict[str, object] = {}
    overlay(strict, message, KNOWN)
    assert strict == bag
    if words == len(KNOWN):  # with fewer, a word of the message hides the global one
        assert read_whole(message, KNOWN) == bag


class Inside:
    def __init__(self, *texts: str) -> None:
        metrics = MixerMetrics(ServiceMetrics("mixer"))
        self.failures = Failures(metrics)
        self.swap = Swap("istio-system")
        self.swap.put(configured(*texts))
        self.native = NativeMixer(
            lambda: self.swap.table,
            CheckDispatcher(self.failures),
            QuotaDispatcher(self.failures),
            ReportDispatcher(self.failures),
            metrics,
            as_given=True,
        )

    async def send(self, method: str, message: bytes) -> grpc.StatusCode:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        function = self.native.check if method == "check" else self.native.report
        function([Call("", message, (), Peer(""), None, answer)])
        assert answer.done()
        try:
            answer.result()
        except CallFailed as failed:
            return failed.code
        return grpc.StatusCode.OK


EXPECTED = (
    grpc.StatusCode.OK,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INVALID_ARGUMENT,
)


@pytest.fixture(scope="module")
def inside() -> Inside:
    return asyncio.run(_made())


async def _made() -> Inside:
    return Inside(RULES)


@pytest.mark.parametrize("method", ["check", "report"])
@given(message=st.binary(max_size=200))
def test_rubbish_is_answered(inside: Inside, method: str, message: bytes) -> None:
    assert asyncio.run(inside.send(method, message)) in EXPECTED
    assert inside.swap.table is not None
    assert inside.swap.table.open_calls == 0


NOTHING: dict[str, Any] = {kind: {} for kind in ("strings", "int64s", "bools", "bytes", "string_maps", "durations")} | {
    "words": []
}
DESTINATION_NAMESPACE = 155  # a word of Mixer's dictionary


@given(content=messages, words=st.integers(0, 300), delta=st.booleans())
@example(content=NOTHING | {"durations": {DESTINATION_NAMESPACE: 0}}, words=0, delta=False)
@settings(max_examples=examples(60))
def test_hostile_attributes_are_answered(inside: Inside, content: dict[str, Any], words: int, delta: bool) -> None:
    attributes = message_of(content)
    check = CheckRequest(attributes=attributes, global_word_count=words)
    check.quotas["q"].amount = 3
    report = ReportRequest(attributes=[attributes] * 3, global_word_count=words, default_words=content["words"])
    if not delta:
        report.repeated_attributes_semantics = ReportRequest.INDEPENDENT_ENCODING
    assert asyncio.run(inside.send("check", check.SerializeToString())) in EXPECTED
    assert asyncio.run(inside.send("report", report.SerializeToString())) in EXPECTED


async def test_the_longest_message_is_answered() -> None:
    """4 MiB: one map of a hundred thousand keys."""
    inside = Inside(RULES)
    bag = {"source.labels": {f"key-{number:012}": f"value-{number:012}" for number in range(80_000)}}
    request = CheckRequest(attributes=encode(bag, KNOWN, 222), global_word_count=222)
    message = request.SerializeToString()
    assert 3_000_000 < len(message) < 4_500_000
    assert await inside.send("check", message) is grpc.StatusCode.OK


# every adapter


ADAPTERS = load_adapters()
SAMPLES: dict[ValueType | None, list[object]] = {
    ValueType.STRING: ["", "x", "x" * 5000, "\0\udcff"],
    ValueType.INT64: [0, -1, 2**63 - 1],
    ValueType.BOOL: [True, False],
    ValueType.TIMESTAMP: [Timestamp(0), Timestamp(2**60), Timestamp(-(2**63) * 10**9), Timestamp(2**63 * 10**9)],
    ValueType.DURATION: [Duration(-1), Duration(2**60)],
    ValueType.IP_ADDRESS: [b"", bytes(4), bytes(16), b"\1\2\3"],
    None: [0, "", b"x", {}, 1.5, None],
}


def rows_of(spec: InstanceSpec) -> list[tuple[Any, ...]]:
    """Rows with every sample in every field, and one with nothing."""
    template = spec.template
    maps = tuple(("m",) * len(spec.names.get(name, ())) for name in template.maps)
    empty: tuple[Any, ...] = (*(None,) * len(template.fields), *maps)
    rows = [empty]
    for place, kind in enumerate(template.fields.values()):
        for sample in SAMPLES.get(kind, SAMPLES[None]):
            rows.append((*empty[:place], sample, *empty[place + 1 :]))
    return rows


def call_of(spec: InstanceSpec, row: Any, done: Any) -> HandlerCall[Any]:
    if spec.template.variety is Variety.QUOTA:
        return QuotaCall(spec, row, done, 1, False, "")
    return (GenerateCall if spec.template.variety is Variety.ATTRIBUTE_GENERATOR else CheckCall)(spec, row, done)


METHODS = {Variety.CHECK: "check", Variety.QUOTA: "quota", Variety.ATTRIBUTE_GENERATOR: "generate"}
PAIRS = [(name, template) for name in sorted(ADAPTERS) for template in sorted(ADAPTERS[name].templates)]
# Handlers that know their instances, or their backends, by their parameters.
PARAMS: dict[str, Any] = {
    "bypass": {"backend_address": "127.0.0.1:1"},
    "datadog": {
        "api_key_file": "/no/key",
        "metrics_url": "http://127.0.0.1:1",
        "logs_url": "http://127.0.0.1:1",
        "metrics": {"i": {"name": "m", "type": 1}},
        "logs": {"i": {}},
    },
    "dogstatsd": {"address": "127.0.0.1:1", "sample_rate": 1, "metrics": {"i": {"name": "m", "type": 1}}},
    "otlp": {
        "endpoint": "127.0.0.1:1",
        "plaintext": True,
        "metrics": {"i": {"name": "m", "kind": 1}},
        "logs": {"i": {}},
        "traces": {"i": {}},
    },
    "stackdriver": {
        "project_id": "p",
        "endpoint": "127.0.0.1:1",
        "plaintext": True,
        "metric_info": {"i": {"kind": 2, "value": 2}},
        "log_info": {"i": {}},
    },
    "cloudwatch": {
        "region": "eu-west-1",
        "endpoints": {"metrics": "http://127.0.0.1:1", "logs": "http://127.0.0.1:1"},
        "namespace": "n",
        "log_group_name": "g",
        "log_stream_name": "s",
        "metric_info": {"i": {"unit": 1}},
        "logs": {"i": {}},
    },
    "opa": {"policy": ["package a\n\ndefault allow = false"], "check_method": "data.a.allow"},
    "memquota": {"quotas": [{"name": "i", "max_amount": 3}]},
    "prometheus": {"metrics": [{"name": "m", "instance_name": "i", "kind": 2, "label_names": ["d"]}]},
    "redisquota": {
        "quotas": [{"name": "i", "max_amount": 3, "valid_duration": Seconds(seconds=1)}],
        "redis_server_url": "127.0.0.1:1",
        "timeout": Seconds(seconds=1),
        "max_waiting": 1,
    },
    "statsd": {"address": "127.0.0.1:1", "sampling_rate": 1, "metrics": {"i": {"type": 1}}},
}


async def ended(name: str) -> None:
    """A handler's thread finishes what it does: it is not waited for when the handler is closed."""
    async with asyncio.timeout(30):
        while any(thread.name.startswith(name) for thread in threading.enumerate()):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("name", "template"), PAIRS)
async def test_an_adapter_answers_every_call_once_whatever_the_values(name: str, template: str) -> None:
    adapter, background = ADAPTERS[name], Background()
    spec = InstanceSpec("i", TEMPLATES[template], {}, dict.fromkeys(TEMPLATES[template].maps, ("d",)))
    params = type(adapter.defaults())(**PARAMS[name]) if name in PARAMS else adapter.defaults()
    assert not [fault for fault in adapter.validate(params, [spec]) if "instance" in fault.text]
    handler: Any = adapter.build(params, [spec], background)
    answers: list[Any] = []
    calls: list[Any] = []
    try:
        if spec.template.variety is Variety.REPORT:
            for row in rows_of(spec):
                try:
                    handler.report([ReportBatch(spec, [row])])
                except ValueError:
                    continue  # told, and counted by the dispatcher
        else:
            calls = [call_of(spec, row, answers.append) for row in rows_of(spec)]
            getattr(handler, METHODS[spec.template.variety])(calls)
    finally:
        for _ in range(2):
            ending = handler.close()
            if ending is not None:
                await ending
        await background.stop()
        await ended("handler ")
    if spec.template.variety is not Variety.REPORT:
        assert len(answers) == len(calls), "who still waits for a backend is answered at the end"


@pytest.mark.parametrize("name", sorted(ADAPTERS))
@given(data=st.binary(max_size=120))
def test_parameters_of_any_kind_are_judged(name: str, data: bytes) -> None:
    """Whatever stands in them: faults, or a handler that can be built."""
    adapter = ADAPTERS[name]
    try:
        params = type(adapter.defaults()).FromString(data)
    except DecodeError:
        return
    faults = list(adapter.validate(params, []))
    assert all(fault.field.startswith("spec.params") and fault.text.endswith(".") for fault in faults)
    if not faults and not getattr(params, "provider_url", "") and not getattr(params, "output_path", ""):
        asyncio.run(_built_and_closed(adapter, params))


async def _built_and_closed(adapter: Any, params: Any) -> None:
    background = Background()
    ending = adapter.build(params, [], background).close()
    if ending is not None:
        await ending
    await background.stop()


# configuration that changes all the while


async def test_a_thousand_changes_lose_no_call() -> None:
    """Checks are under way through every one: each is answered by the rules that it began with."""
    inside = Inside(RULES)
    first, second = configured(RULES), configured(RULES.replace("code: 7", "code: 16"))
    checks, codes, asked = CheckDispatcher(inside.failures), [], 0
    bag = {"source.labels": {"version": "v2"}, "request.size": 4, "request.path": "/x"}
    for number in range(1000):
        table = inside.swap.put((first, second)[number % 2])
        for _ in range(3):
            checks.dispatch(table, [Question(lambda _: "default", bag, codes.append)])
            asked += 1
        await asyncio.sleep(0)
    assert [each.code for each in codes] == [7, 7, 7, 16, 16, 16] * 500
    assert len(codes) == asked
    await inside.swap.stop()


def test_an_answer_is_whole() -> None:
    """Quotas are put behind a precondition that was serialised before: together they are one message."""
    one, two = CheckResponse(), CheckResponse()
    one.precondition.valid_use_count = 3
    two.quotas["q"].granted_amount = 2
    both = CheckResponse.FromString(one.SerializeToString() + two.SerializeToString())
    assert (both.precondition.valid_use_count, both.quotas["q"].granted_amount) == (3, 2)
