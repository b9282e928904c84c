"""What becomes of what is wrong: Istio 1.4's policy of errors, row by row, and what is better here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from flotilla_mixer.configuration.build import Configuration, build_configuration
from flotilla_mixer.configuration.last_good import LastGood
from flotilla_mixer.configuration.undecodable import Undecodable
from flotilla_mixer.debug.topics import debug_topics
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.sources.decode import from_response
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.status.states import object_states
from flotilla_mixer.testing.meshes import configured, problems, read_objects
from flotilla_mixer.testing.running import Running
from flotilla_protos.istio.mcp.v1alpha1.mcp_pb2 import RequestResources, Resources
from flotilla_shared.model import kinds
from flotilla_shared.model.objects import ObjectKey
from flotilla_shared.runtime.serving import GrpcServer
from flotilla_shared.runtime.streams.codec import UndecodableResource, to_resource
from flotilla_shared.runtime.streams.mcp_client import METHOD, McpClient
from flotilla_shared.runtime.streams.store import ObjectStore
from flotilla_shared.runtime.trace import HopRecorder

# One of each, all right; rows below replace one line of it.
RIGHT = """\
apiVersion: config.istio.io/v1alpha2
kind: attributemanifest
metadata: {name: own, namespace: default}
spec: {attributes: {shop.cart: {valueType: INT64}}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: default}
spec: {compiledAdapter: denier, params: {status: {code: 7}}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: entry, namespace: default}
spec: {compiledTemplate: listentry, params: {value: request.path}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: other, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: default}
spec:
  match: shop.cart == 1
  actions: [{handler: closed, instances: [entry, other]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: always, namespace: default}
spec:
  actions: [{handler: closed, instances: [other]}]
"""
BOTH = {"deny": ["entry", "other"], "always": ["other"]}
OTHERS = {"always": ["other"]}


class Row(NamedTuple):
    """What is written in the place of what, what is told of it, and the instances of rules that still take effect."""

    right: str
    wrong: str
    told: list[tuple[str, str, str, str]]
    live: Mapping[str, list[str]]


ROWS = {
    "two manifests, two types": Row(
        "---\napiVersion: config.istio.io/v1alpha2\nkind: handler",
        "---\napiVersion: config.istio.io/v1alpha2\nkind: attributemanifest\nmetadata: {name: young, namespace: other}\n"
        "spec: {attributes: {shop.cart: {valueType: BOOL}}}\n"
        "---\napiVersion: config.istio.io/v1alpha2\nkind: handler",
        [("attributemanifest", "young", "spec.attributes[shop.cart].valueType", "attribute-conflict")],
        BOTH,
    ),
    "no such adapter": Row(
        "compiledAdapter: denier",
        "compiledAdapter: denyer",
        [
            ("handler", "closed", "spec.compiledAdapter", "unknown-adapter"),
            ("rule", "always", "spec.actions[0].handler", "no-handler"),
            ("rule", "deny", "spec.actions[0].handler", "no-handler"),
        ],
        {},
    ),
    "parameters that do not fit": Row(
        "{status: {code: 7}}",
        "{state: {code: 7}}",
        [
            ("handler", "closed", "spec.params", "bad-params"),
            ("rule", "always", "spec.actions", "no-handler"),
            ("rule", "deny", "spec.actions", "no-handler"),
        ],
        {},
    ),
    "parameters that the adapter refuses": Row(
        "code: 7",
        "code: 70",
        [
            ("handler", "closed", "spec.params.status.code", "bad-params"),
            ("rule", "always", "spec.actions", "no-handler"),
            ("rule", "deny", "spec.actions", "no-handler"),
        ],
        {},
    ),
    "no such template": Row(
        "compiledTemplate: listentry",
        "compiledTemplate: listentri",
        [
            ("instance", "entry", "spec.compiledTemplate", "unknown-template"),
            ("rule", "deny", "spec.actions[0].instances[0]", "no-instance"),
        ],
        {"deny": ["other"], "always": ["other"]},
    ),
    "no such field": Row(
        "{value: request.path}",
        "{valeu: request.path}",
        [
            ("instance", "entry", "spec.params.valeu", "unknown-field"),
            ("rule", "deny", "spec.actions[0].instances[0]", "no-instance"),
        ],
        {"deny": ["other"], "always": ["other"]},
    ),
    "an expression that is none": Row(
        "request.path}",
        "request.paht}",
        [
            ("instance", "entry", "spec.params.value", "bad-expression"),
            ("rule", "deny", "spec.actions[0].instances[0]", "no-instance"),
        ],
        {"deny": ["other"], "always": ["other"]},
    ),
    "a number in the place of an expression": Row(
        "{value: request.path}",
        "{value: 1}",
        [
            ("instance", "entry", "spec.params.value", "not-an-expression"),
            ("rule", "deny", "spec.actions[0].instances[0]", "no-instance"),
        ],
        {"deny": ["other"], "always": ["other"]},
    ),
    "a match that is no BOOL": Row(
        "match: shop.cart == 1", "match: shop.cart", [("rule", "deny", "spec.match", "bad-match")], OTHERS
    ),
    "a match that is none": Row(
        "match: shop.cart == 1", "match: shop.cart ==", [("rule", "deny", "spec.match", "bad-match")], OTHERS
    ),
    "an action for an unknown handler": Row(
        "  actions: [{handler: closed, instances: [entry, other]}]",
        "  actions: [{handler: open, instances: [entry]}, {handler: closed, instances: [other]}]",
        [("rule", "deny", "spec.actions[0].handler", "no-handler")],
        {"deny": ["other"], "always": ["other"]},
    ),
    "an unknown instance": Row(
        "[entry, other]",
        "[entri, other]",
        [("rule", "deny", "spec.actions[0].instances[0]", "no-instance")],
        {"deny": ["other"], "always": ["other"]},
    ),
    "an instance twice": Row(
        "[entry, other]",
        "[entry, other, entry]",
        [("rule", "deny", "spec.actions[0].instances[2]", "twice")],
        BOTH,
    ),
    "a template that the adapter does not take": Row(
        "compiledTemplate: listentry, params: {value: request.path}",
        "compiledTemplate: metric, params: {value: '1'}",
        [("rule", "deny", "spec.actions[0].instances[0]", "wrong-template")],
        {"deny": ["other"], "always": ["other"]},
    ),
    "an action without instances": Row(
        "[entry, other]", "[]", [("rule", "deny", "spec.actions[0].instances", "no-instance")], OTHERS
    ),
    "a rule without anything to do": Row(
        "  actions: [{handler: closed, instances: [entry, other]}]",
        "  actions: []",
        [("rule", "deny", "spec.actions", "no-effect")],
        OTHERS,
    ),
    "a header whose value is no STRING": Row(
        "  match: shop.cart == 1\n",
        "  match: shop.cart == 1\n"
        "  requestHeaderOperations: [{name: a, values: ['\"b\"']}, {name: c, values: [shop.cart]}]\n",
        [("rule", "deny", "spec.requestHeaderOperations[1].values[0]", "bad-header-operation")],
        BOTH,
    ),
}


def live(configuration: Configuration) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for action in configuration.actions:
        names = [each.spec.name.partition(".")[0] for each in action.instances]
        found.setdefault(action.rule.name, []).extend(names)
    return found


def test_what_is_right_is_all_in_effect() -> None:
    configuration = configured(RIGHT)
    assert problems(configuration) == []
    assert live(configuration) == BOTH


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_is_wrong_hurts_itself_alone_and_is_told(row: Row) -> None:
    assert row.right in RIGHT
    configuration = configured(RIGHT.replace(row.right, row.wrong, 1))
    assert problems(configuration) == row.told
    assert live(configuration) == row.live
    assert configuration.directives == ()


def test_a_handler_that_nobody_uses_is_judged_and_not_built() -> None:
    unused = RIGHT.replace("[{handler: closed", "[{handler: none")
    configuration = configured(unused.replace("{status: {code: 7}}", "{state: 1}"))
    assert configuration.handlers == {}
    assert problems(configuration)[0] == ("handler", "closed", "spec.params", "bad-params")
    configuration = configured(unused.replace("code: 7", "code: 70"))
    assert configuration.handlers == {}
    ((found,),) = [each for key, each in configuration.problems.items() if key.collection == kinds.HANDLERS]
    assert (found.severity, found.field) == ("warning", "spec.params.status.code")


# Updates.


class Follower:
    """Builds as Mixer does, one change after the other."""

    def __init__(self) -> None:
        self.last_good = LastGood()

    def take(self, *texts: str, undecodable: ObjectKey | None = None) -> Configuration:
        objects = read_objects(*texts)
        if undecodable is not None:
            objects[undecodable.collection][undecodable] = spoilt(objects, undecodable)
        adapters = load_adapters()
        return self.last_good.build(objects, lambda found: build_configuration(found, adapters, "cluster.local"))


def spoilt(objects: Mapping[str, Mapping[ObjectKey, Any]], key: ObjectKey) -> Any:
    """The object as it comes when its body is cut off."""
    resource = to_resource(objects[key.collection][key])
    resource.metadata.version = "spoilt"
    resource.body.value = resource.body.value[:-1]
    return from_response(Resources(collection=key.collection, resources=[resource])).upserts[0]


# Rows in which the object that was changed is at fault itself.
ELSEWHERE = ("two manifests, two types", "a template that the adapter does not take")
OWN = {name: row for name, row in ROWS.items() if name not in ELSEWHERE}
CODES_THAT_HURT = {"twice", "no-effect"}  # warnings: the new version counts


@pytest.mark.parametrize("row", OWN.values(), ids=OWN)
def test_a_bad_update_keeps_the_version_before(row: Row) -> None:
    follower = Follower()
    before = follower.take(RIGHT)
    now = follower.take(RIGHT.replace(row.right, row.wrong, 1))
    if row.told[0][3] in CODES_THAT_HURT:
        assert (live(now), dict(now.kept)) == (row.live, {})
        return
    assert live(now) == live(before) == BOTH
    (key,) = now.kept
    assert now.kept[key] == before.objects[key].version != now.objects[key].version
    first, *_, last = now.problems[key]
    assert (key.name, first.code) == (row.told[0][1], row.told[0][3])
    assert (last.code, last.severity) == ("version-kept", "warning")
    assert before.objects[key].version in last.text
    assert set(now.problems) == {key}  # nobody else has an error for it
    assert not object_states(now, now.problems)[key].accepted
    assert object_states(now, now.problems)[key].version == now.objects[key].version


HANDLER = ObjectKey(kinds.HANDLERS, "default", "closed")


def test_an_update_that_cannot_be_read_keeps_the_version_before() -> None:
    follower = Follower()
    follower.take(RIGHT)
    now = follower.take(RIGHT, undecodable=HANDLER)
    assert live(now) == BOTH
    assert [each.code for each in now.problems[HANDLER]] == ["undecodable", "version-kept"]


def test_an_object_that_cannot_be_read_from_the_start_is_left_out() -> None:
    now = Follower().take(RIGHT, undecodable=HANDLER)
    assert live(now) == {}
    assert [(each.code, each.severity) for each in now.problems[HANDLER]] == [("undecodable", "error")]
    assert now.objects[HANDLER].version == "spoilt"


def test_a_right_version_and_a_removal_end_it() -> None:
    follower, wrong = Follower(), RIGHT.replace("code: 7", "code: 70")
    follower.take(RIGHT)
    assert follower.take(wrong).kept
    better = follower.take(RIGHT.replace("code: 7", "code: 8"))
    assert dict(better.kept) == {}
    assert better.handlers[HANDLER].params.status.code == 8
    assert follower.take(wrong).handlers[HANDLER].params.status.code == 8
    without = "\n---\n".join(each for each in RIGHT.split("\n---\n") if "kind: handler" not in each)
    assert live(follower.take(without)) == {}
    assert follower.take(wrong).handlers == {}  # what was removed is forgotten


def test_a_version_that_would_not_work_any_more_is_not_kept() -> None:
    """The rule's new version is wrong, and what its old one refers to is gone."""
    follower = Follower()
    follower.take(RIGHT)
    text = RIGHT.replace("name: closed, namespace", "name: locked, namespace").replace("shop.cart == 1", "shop.cart ==")
    now = follower.take(text)
    assert dict(now.kept) == {}
    assert live(now) == {}
    # of `always` nothing was changed, and `deny` told its own error alone
    assert [(name, code) for _, name, _, code in problems(now)] == [("always", "no-handler"), ("deny", "bad-match")]


def test_a_rule_that_comes_before_its_handler_waits_in_its_old_version() -> None:
    follower = Follower()
    follower.take(RIGHT)
    moved = RIGHT.replace(
        "  actions: [{handler: closed, instances: [other]}]", "  actions: [{handler: young, instances: [entry]}]"
    )
    assert live(follower.take(moved)) == BOTH
    young = "---\napiVersion: config.istio.io/v1alpha2\nkind: handler\nmetadata: {name: young, namespace: default}\n"
    arrived = follower.take(f"{moved}{young}spec: {{compiledAdapter: denier}}\n")
    assert live(arrived) == {"deny": ["entry", "other"], "always": ["entry"]}
    assert dict(arrived.kept) == {}


# What arrives over the wire.


def response(*resources: Any) -> Resources:
    return Resources(collection=kinds.HANDLERS, system_version_info="1", resources=resources)


def test_a_resource_that_cannot_be_read_does_not_take_the_others_with_it() -> None:
    objects = read_objects(RIGHT)[kinds.HANDLERS]
    good, bad = (to_resource(objects[HANDLER]) for _ in range(2))
    bad.metadata.name = "default/bad"
    bad.body.CopyFrom(AnyMessage(type_url="type.googleapis.com/google.protobuf.Empty"))
    delta = from_response(response(good, bad))
    assert [each.key.name for each in delta.upserts] == ["closed", "bad"]
    assert "Empty" in delta.upserts[1].spec.text
    bad.metadata.name = ""
    with pytest.raises(UndecodableResource):
        from_response(response(good, bad))


async def test_over_a_stream_the_response_is_taken_and_the_next_too() -> None:
    """Galley's stream as it is: what cannot be read is acknowledged with the rest, and mended by what comes next."""
    objects = read_objects(RIGHT)[kinds.HANDLERS]
    good, bad = (to_resource(objects[HANDLER]) for _ in range(2))
    bad.metadata.name, bad.metadata.version, bad.body.value = "default/bad", "1", b"\xff"
    mended = to_resource(objects[HANDLER])
    mended.metadata.name, mended.metadata.version = "default/bad", "2"
    answers: asyncio.Queue[RequestResources] = asyncio.Queue()

    async def serve(_: Any, context: Any) -> None:
        await context.read()
        for nonce, resources in (("1", [good, bad]), ("2", [good, mended])):
            sent = response(*resources)
            sent.nonce = nonce
            await context.write(sent)
            answers.put_nowait(await context.read())
        await context.read()

    handler = grpc.stream_stream_rpc_method_handler(
        serve, request_deserializer=RequestResources.FromString, response_serializer=Resources.SerializeToString
    )
    service, _, method = METHOD.lstrip("/").partition("/")
    server = GrpcServer(
        "127.0.0.1", 0, generic_handlers=[grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    store = ObjectStore("mixer", [kinds.HANDLERS], HopRecorder("mixer"), lambda: None)
    await server.start()
    client = McpClient(
        open_channel=lambda: grpc.aio.insecure_channel(f"127.0.0.1:{server.bound_port}"),
        node_id="mixer",
        collections=[kinds.HANDLERS],
        consumer=store,
        decode=from_response,
    )
    await client.start()
    async with asyncio.timeout(20):
        assert not (await answers.get()).HasField("error_detail")
        held = store.objects[kinds.HANDLERS]
        assert {key.name: isinstance(item.spec, Undecodable) for key, item in held.items()} == {
            "closed": False,
            "bad": True,
        }
        assert not (await answers.get()).HasField("error_detail")
    assert not any(isinstance(item.spec, Undecodable) for item in store.objects[kinds.HANDLERS].values())
    await client.stop()
    await server.stop()


async def told_to_galley(running: Running) -> Any:
    """The state of the handler when it is refused; reports are coalesced, so it may take a moment."""
    async with asyncio.timeout(20):
        while True:
            found = [each for report in running.galley.reports for each in report.objects if not each.accepted]
            if found:
                return found[-1]
            running.galley.reported.clear()
            await running.galley.reported.wait()


async def test_the_whole_of_mixer_keeps_denying(running: Running) -> None:
    """The rule that denies gets a match that is none: who was denied stays so, and the author is told."""
    await running.put(RIGHT)
    assert (await running.check()).status.code == 7
    await running.put(RIGHT.replace("code: 7", "code: 70"))
    assert (await running.check()).status.code == 7
    told = running.mixer.swap.problems[HANDLER]
    assert [each.code for each in told] == ["bad-params", "version-kept"]
    swap: Swap = running.mixer.swap
    assert swap.table is not None
    assert dict(swap.table.configuration.kept)
    shown: Any = debug_topics(swap, {}, running.mixer.trace)["config"]()
    assert [(each["name"], each["code"]) for each in shown["problems"]] == [
        ("default/closed", "bad-params"),
        ("default/closed", "version-kept"),
    ]
    assert [(each["name"], each["version"]) for each in shown["kept"]] == [
        ("default/closed", swap.table.configuration.kept[HANDLER])
    ]
    assert {each["handler"] for each in shown["actions"]} == {"closed.handler.default"}
    refused = await told_to_galley(running)
    assert {each.code for each in refused.problems} == {"bad-params", "version-kept"}
