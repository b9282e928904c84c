"""Adapters held to those of Istio 1.4: which parameters they take, and what they answer."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response
from google.protobuf import json_format

from flotilla_mixer.adapters.memquota.adapter import Memquota
from flotilla_mixer.adapters.memquota.window import RollingWindow
from flotilla_mixer.adapters.redisquota.adapter import Redisquota
from flotilla_mixer.kit.adapter import Adapter, CheckCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.templates.catalogue import AUTHORIZATION, CHECK_NOTHING, LIST_ENTRY, LOG_ENTRY, METRIC, QUOTA
from flotilla_mixer.templates.template import InstanceSpec, Template
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import ValueType
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.testing.ports import free_port

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
NAMES = {"list": "listchecker"}
# Fields that 1.4's dogstatsd and cloudwatch told of by names of their own.
ALIASES = {
    "metricname": "metrics",
    "metrictype": "type",
    "duration metric unit": "unit",
    "instancevariables": "logs",
}
TEMPLATES = {
    "Metric": METRIC,
    "LogEntry": LOG_ENTRY,
    "ListEntry": LIST_ENTRY,
    "Quota": QUOTA,
    "CheckNothing": CHECK_NOTHING,
    "Authorization": AUTHORIZATION,
}
OWN_FIELDS = 100  # and above
# 1.4 connected when it validated; here that is no matter of parameters.
CONNECTING = "redisquota"
BUILD = "what 1.4 found when it built a handler is found before"
# Where this Mixer differs on purpose, or a case cannot be played.
DIFFERENT = {
    "mixer/adapter_calls/2a52976f5c22": "1.4 gave a bucket back when its first grant left the window: 13 of 10 in 100 s",
    "mixer/adapter_config/3cff1e898863": "a metric without the name of an instance reports nothing, so it is a mistake",
}
UNPLAYABLE = {"mixer/adapter_calls/b8e2712b7a39": "the page is Mixer's, and up before any handler"}
# What is no mistake any more, in cases that have others.
RIGHT = {"mixer/adapter_config/23dccb949be0": {"dimensions"}}  # eleven: CloudWatch takes thirty today
# 1.4's test emptied the table of what is remembered by hand before the last call: here time passes.
FORGOTTEN = {"mixer/adapter_calls/dcab9baae19b": 3 * 3600.0}


def rows(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def adapter_of(case: dict[str, Any], clock: Any = None) -> Adapter | None:
    name = NAMES.get(case["adapter"], case["adapter"])
    if name == "memquota" and clock is not None:
        return Memquota(clock)
    if name == "redisquota" and clock is not None:
        return Redisquota(lambda: round(clock() * 1_000_000))
    return load_adapters().get(name)


def params_of(adapter: Adapter, config: Mapping[str, Any]) -> Any:
    """Exactly what a case gives: its parameters are whole, defaults included, but for fields that 1.4 did not have."""
    found = json_format.ParseDict(config, type(adapter.defaults())())
    for field, value in adapter.defaults().ListFields():
        if field.number >= OWN_FIELDS:
            found.MergeFrom(type(found)(**{field.name: value}))
    return found


def instances_of(case: dict[str, Any]) -> list[InstanceSpec]:
    """The instances of quotas, metrics and log entries that rules of a case bind to its handler."""
    return [
        InstanceSpec(name, TEMPLATES[kind], _value_type(types), {field.lower(): tuple(sorted(types[field]))})
        for kind, field in (("Quota", "Dimensions"), ("Metric", "Dimensions"), ("LogEntry", "Variables"))
        for name, types in ((case["types"] or {}).get(kind) or {}).items()
    ]


def _value_type(types: dict[str, Any]) -> dict[str, ValueType]:
    given = types.get("Value", "VALUE_TYPE_UNSPECIFIED")
    return {} if given == "VALUE_TYPE_UNSPECIFIED" else {"value": ValueType(given)}


def is_offered(case: dict[str, Any]) -> bool:
    return NAMES.get(case["adapter"], case["adapter"]) in load_adapters()


def unplayable(case: dict[str, Any]) -> str:
    """Why a row cannot be played; empty for one that can."""
    return UNPLAYABLE.get(case["id"], "") if is_offered(case) else f"there is no adapter {case['adapter']}"


def backend_of(case: dict[str, Any], table: str) -> list[Any]:
    return [pytest.mark.real] if case["adapter"] == "redisquota" and table == "adapter_calls" else []


def cases(table: str) -> list[Any]:
    """Every row; those of adapters that are not there are skipped."""
    return [
        pytest.param(
            case,
            id=f"{case['id']}-{case['adapter']}-{case['name']}",
            marks=[*(pytest.mark.skip(reason) for reason in [unplayable(case)] if reason), *backend_of(case, table)],
        )
        for case in rows(table)
    ]


@pytest.mark.parametrize("case", cases("adapter_config"))
def test_parameters(case: dict[str, Any]) -> None:
    adapter = adapter_of(case)
    assert adapter is not None
    try:
        faults = [fault.field for fault in adapter.validate(params_of(adapter, case["config"]), instances_of(case))]
    except json_format.ParseError:
        faults = [error["field"] for error in case["errors"]]
    if case["id"] in DIFFERENT:
        assert bool(faults) is case["valid"], "it does not differ any more: take it off the list"
        return
    assert (not faults) is case["valid"], faults
    said = {field.rpartition(".")[2].lower().replace("_", "") for field in faults}
    told = {error["field"].lower().replace("_", "") for error in case["errors"]}
    right = RIGHT.get(case["id"], set())
    assert not right & said, "it is a mistake again: take it off the list"
    for field in told - {CONNECTING} - right:
        assert {field, ALIASES.get(field, field)} & said, field


class Player:
    """A handler of a case, and its calls in order."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.now = 1000.0
        adapter = adapter_of(case, lambda: self.now)
        assert adapter is not None
        self.adapter = adapter
        self.params = params_of(adapter, case["config"])
        self.specs: dict[tuple[str, str], InstanceSpec] = {}
        for call in case["calls"]:
            for each in instances(call):
                self._know(TEMPLATES[call["method"]], each)
        for name in (case["types"] or {}).get("Quota", {}):
            self._know(QUOTA, {"Name": name, "Dimensions": {}})

    def _know(self, template: Template, each: Mapping[str, Any]) -> None:
        names = {"dimensions": sorted(each.get("Dimensions") or {}), "variables": sorted(each.get("Variables") or {})}
        value = each.get("Value")
        kinds = {"BYTES": "IP_ADDRESS"}
        types = {"value": ValueType(kinds.get(value["type"], value["type"]))} if value else {}
        spec = InstanceSpec(
            each.get("Name", ""), template, types, {name: tuple(found) for name, found in names.items()}
        )
        self.specs.setdefault((template.name, spec.name), spec)

    @property
    def faults(self) -> list[Any]:
        return list(self.adapter.validate(self.params, list(self.specs.values())))

    async def play(self, handler: Any, call: dict[str, Any]) -> Any:
        """What the handler answers; text for an error."""
        self.now = 1000.0 + call.get("at_seconds", 0.0)
        if call is self.case["calls"][-1]:
            self.now += FORGOTTEN.get(self.case["id"], 0.0)
        template = TEMPLATES[call["method"]]
        if template in (METRIC, LOG_ENTRY):
            try:
                handler.report([self._batch(template, each) for each in instances(call)])
            except ValueError as error:
                return str(error)
            return None
        answers: list[Any] = []
        (each,) = instances(call) or [{}]
        spec = self.specs.get((template.name, each.get("Name", "")), InstanceSpec("", template))
        if template is QUOTA:
            args = call["args"][1]
            row = (dimensions(each),)
            handler.quota(
                [QuotaCall(spec, row, answers.append, args["QuotaAmount"], args["BestEffort"], args["DeduplicationID"])]
            )
        else:
            row = asked(each) if template is AUTHORIZATION else (value_of(each["Value"]),) if each.get("Value") else ()
            handler.check([CheckCall(spec, row, answers.append)])
        async with asyncio.timeout(10):
            while not answers:
                await asyncio.sleep(0.001)
        return answers[0]

    def _batch(self, template: Template, each: Mapping[str, Any]) -> ReportBatch:
        spec = self.specs[template.name, each["Name"]]
        if template is METRIC:
            row: tuple[Any, ...] = (value_of(each["Value"]), None, dimensions(each), ())
        else:
            moment = value_of({"type": "TIMESTAMP", "value": each["Timestamp"]})
            row = (moment, each["Severity"], None, dimensions(each, "Variables"), ())
        return ReportBatch(spec, [row])


def instances(call: dict[str, Any]) -> list[dict[str, Any]]:
    given = call["args"][0]
    return [each for each in (given if isinstance(given, list) else [given]) if each]


def dimensions(each: Mapping[str, Any], field: str = "Dimensions") -> tuple[object, ...]:
    found = each.get(field) or {}
    return tuple(value_of(found[name]) for name in sorted(found))


def asked(each: Mapping[str, Any]) -> tuple[Any, ...]:
    """The row of template authorization; no case has properties."""
    subject, action = each["Subject"], each["Action"]
    assert not subject["Properties"]
    assert not action["Properties"]
    named = (action[name] for name in ("Namespace", "Service", "Method", "Path"))
    return (subject["User"], subject["Groups"], *named, (), ())


def shown(outcome: Any) -> Any:
    """An answer as the cases write it."""
    if isinstance(outcome, CheckResult):
        valid = round(outcome.valid_seconds * 1e9)
        return {
            "Code": outcome.code,
            "Message": outcome.message,
            "ValidDuration": valid,
            "ValidUseCount": outcome.valid_uses,
        }
    if isinstance(outcome, QuotaResult):
        return {"Amount": outcome.amount, "Code": outcome.code, "ValidDuration": round(outcome.valid_seconds * 1e9)}
    return outcome


def wanted(result: dict[str, Any]) -> dict[str, Any]:
    status = {"Code": result["Status"]["Code"]}
    if "Amount" in result:
        return {"Amount": result["Amount"], **status, "ValidDuration": result["ValidDuration"]}
    validity = {name: result[name] for name in ("ValidDuration", "ValidUseCount")}
    return {**status, "Message": result["Status"]["Message"], **validity}


class Provider:
    """The server of a list, as 1.4's tests had one."""

    def __init__(self) -> None:
        self.code = 200

    @asynccontextmanager
    async def serving(self, config: dict[str, Any]) -> AsyncIterator[None]:
        """For a case that has a provider; its place is written into the parameters."""
        if "PORT" not in str(config.get("providerUrl", "")):
            yield
            return
        app = FastAPI()

        @app.get("/")
        async def _list() -> Response:
            return Response("ABC\nDEF\n", self.code, media_type="text/plain")

        http = HttpServer(app, "127.0.0.1", 0)
        await http.start()
        config["providerUrl"] = config["providerUrl"].replace("PORT", str(http.ports[0]))
        yield
        await http.stop()


async def played(player: Player, handler: Any, call: dict[str, Any], provider: Provider) -> Any:
    """The outcome of a call. A list is expected to be gone at some time after its provider has it no longer."""
    outcome = await player.play(handler, call)
    if call.get("error") and "providerUrl" in player.case["config"]:
        provider.code = 301
        async with asyncio.timeout(10):
            while not isinstance(outcome, str):
                await asyncio.sleep(0.001)
                outcome = await player.play(handler, call)
    return outcome


@pytest.fixture
def config(case: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The parameters of a case, with a Redis where it asks one: empty, or away where that of the case failed."""
    if case["adapter"] != "redisquota":
        return dict(case["config"])
    failed = case["name"] == "TestErrorFromRedis"
    address = f"127.0.0.1:{free_port()}" if failed else request.getfixturevalue("redis").address
    return {**case["config"], "redisServerUrl": address}


@pytest.mark.parametrize("case", cases("adapter_calls"))
async def test_calls(case: dict[str, Any], config: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    case = case | {"config": config}
    provider = Provider()
    async with provider.serving(case["config"]):
        await play_case(case, provider)
    if case["adapter"] == "stdio":
        assert capfd.readouterr().out.count("\n") == len(case["calls"])


async def play_case(case: dict[str, Any], provider: Provider) -> None:
    player, background = Player(case), Background()
    if case["build_error"]:
        assert player.faults, BUILD
        return
    reported = any(TEMPLATES[call["method"]] is METRIC and call.get("error") for call in case["calls"])
    if reported and player.faults:
        return  # what 1.4 told at the first report is told here when the configuration is read
    handler = player.adapter.build(player.params, list(player.specs.values()), background)
    outcomes = [await played(player, handler, call, provider) for call in case["calls"]]
    await background.stop(10)
    ending = handler.close()
    if ending is not None:
        await ending
    if case["id"] in DIFFERENT:
        assert [shown(each) for each in outcomes] != [wanted(call["result"]) for call in case["calls"]]
        return
    for call, outcome in zip(case["calls"], outcomes, strict=True):
        if call.get("error"):
            assert isinstance(outcome, str)
        elif "result" in call:
            assert shown(outcome) == wanted(call["result"])
        else:
            assert outcome is None


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in rows("rolling_window")])
def test_rolling_windows(case: dict[str, Any]) -> None:
    window = RollingWindow(case["limit"], case["ticks"])
    for step in case["operations"]:
        if step["op"] == "allocate":
            assert window.allocate(step["amount"], step["tick"]) is step["granted"]
        else:
            assert window.release(step["amount"], step["tick"]) == step["released"]
            assert window.available == step["available_after"]


@pytest.mark.parametrize("table", ["adapter_config", "adapter_calls", "rolling_window"])
def test_every_table_is_there(table: str) -> None:
    if not VECTORS.exists():
        pytest.skip(f"no vectors in {VECTORS}: set FLOTILLA_VECTORS")
    found = rows(table)
    ran = [case for case in found if "adapter" not in case or not unplayable(case)]
    differ = len(DIFFERENT.keys() & {case["id"] for case in ran})
    print(f"{table}: {len(ran)} ran, {len(found) - len(ran)} skipped (no such adapter, or unplayable), {differ} differ")
    assert ran
    assert {name for name in DIFFERENT if table in name} <= {case["id"] for case in ran}


def test_nearly_all_that_can_be_played_is_as_it_was() -> None:
    ran = [case for table in ("adapter_config", "adapter_calls") for case in rows(table) if not unplayable(case)]
    assert len(DIFFERENT) <= 0.03 * len(ran) or not VECTORS.exists()
