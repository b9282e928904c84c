"""Adapters held to those of Istio 1.4: which parameters they take, and what they answer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.memquota.adapter import Memquota
from flotilla_mixer.adapters.memquota.window import RollingWindow
from flotilla_mixer.kit.adapter import Adapter, CheckCall, QuotaCall, ReportBatch
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult, QuotaResult
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.templates.catalogue import CHECK_NOTHING, LIST_ENTRY, LOG_ENTRY, METRIC, QUOTA
from flotilla_mixer.templates.template import InstanceSpec, Template
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import ValueType

VECTORS = Path(os.environ.get("FLOTILLA_VECTORS", Path(__file__).parents[4] / "shared" / "vectors")) / "1.4"
NAMES = {"list": "listchecker"}
TEMPLATES = {
    "Metric": METRIC,
    "LogEntry": LOG_ENTRY,
    "ListEntry": LIST_ENTRY,
    "Quota": QUOTA,
    "CheckNothing": CHECK_NOTHING,
}
BUILD = "what 1.4 found when it built a handler is found before"
# Where this Mixer differs on purpose, or a case cannot be played.
DIFFERENT = {
    "mixer/adapter_config/3cff1e898863": "a metric without the name of an instance reports nothing",
    "mixer/adapter_calls/b8e2712b7a39": "the page is Mixer's, and up before any handler",
    "mixer/adapter_calls/dcab9baae19b": "1.4's table was emptied by hand between the calls",
}


def rows(table: str) -> list[dict[str, Any]]:
    file = VECTORS / "mixer" / f"{table}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def adapter_of(case: dict[str, Any], clock: Any = None) -> Adapter | None:
    name = NAMES.get(case["adapter"], case["adapter"])
    if name == "memquota" and clock is not None:
        return Memquota(clock)
    return load_adapters().get(name)


def params_of(adapter: Adapter, config: Mapping[str, Any]) -> Any:
    """Exactly what a case gives: its parameters are whole, defaults included."""
    return json_format.ParseDict(config, type(adapter.defaults())())


def cases(table: str) -> list[Any]:
    known = load_adapters()
    return [
        pytest.param(case, id=f"{case['id']}-{case['adapter']}-{case['name']}")
        for case in rows(table)
        if NAMES.get(case["adapter"], case["adapter"]) in known
    ]


@pytest.mark.parametrize("case", cases("adapter_config"))
def test_parameters(case: dict[str, Any]) -> None:
    adapter = adapter_of(case)
    assert adapter is not None
    try:
        faults = [fault.field for fault in adapter.validate(params_of(adapter, case["config"]), [])]
    except json_format.ParseError:
        faults = [error["field"] for error in case["errors"]]
    if case["id"] in DIFFERENT:
        assert bool(faults) is case["valid"], "it does not differ any more: take it off the list"
        return
    assert (not faults) is case["valid"], faults
    said = {field.rpartition(".")[2].lower().replace("_", "") for field in faults}
    assert {error["field"].lower().replace("_", "") for error in case["errors"]} <= said


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

    def play(self, handler: Any, call: dict[str, Any]) -> Any:
        """What the handler answers; text for an error."""
        self.now = 1000.0 + call.get("at_seconds", 0.0)
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
            row = (value_of(each["Value"]),) if each.get("Value") else ()
            handler.check([CheckCall(spec, row, answers.append)])
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


def needs_a_server(case: dict[str, Any]) -> bool:
    return "PORT" in str(case["config"].get("providerUrl", ""))


@pytest.mark.parametrize("case", cases("adapter_calls"))
async def test_calls(case: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    if needs_a_server(case):
        pytest.skip("a provider stood behind it; test_mixer_list_provider.py has one")
    player, background = Player(case), Background()
    if case["build_error"] or case["id"] in DIFFERENT:
        assert bool(player.faults) is (case["id"] not in DIFFERENT), BUILD
        if case["build_error"]:
            return
    reported = any(TEMPLATES[call["method"]] is METRIC and call.get("error") for call in case["calls"])
    if reported and player.faults:
        return  # what 1.4 told at the first report is told here when the configuration is read
    handler = player.adapter.build(player.params, list(player.specs.values()), background)
    outcomes = [player.play(handler, call) for call in case["calls"]]
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
    await background.stop()
    handler.close()
    if case["adapter"] == "stdio":
        assert capfd.readouterr().out.count("\n") == len(case["calls"])


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
    ran = [case.values[0] for case in cases(table)] if table != "rolling_window" else found
    skipped = len(found) - len(ran) + sum(needs_a_server(case) for case in ran if "adapter" in case)
    differ = len(DIFFERENT.keys() & {case["id"] for case in ran})
    print(f"{table}: {len(found) - skipped} ran, {skipped} skipped (not offered, or a backend), {differ} differ")
    assert ran
    assert {name for name in DIFFERENT if table in name} <= {case["id"] for case in ran}
