"""Which adapters there are, the denier, and values as adapters write them. What all adapters must pass is the conformance suite."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.denier.adapter import Denier
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.catalogue import load_adapters
from flotilla_mixer.kit.results import CheckResult
from flotilla_mixer.kit.text import number_of, reads_as, text_of
from flotilla_mixer.templates.catalogue import CHECK_NOTHING
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_shared.model.expressions import Duration, Timestamp


def test_an_adapter_that_cannot_be_loaded_does_not_keep_the_others_out() -> None:
    from importlib.metadata import EntryPoint

    group = "flotilla.mixer.adapters"
    points = [
        EntryPoint("broken", "no.such.module:Adapter", group),
        EntryPoint("denier", "flotilla_mixer.adapters.denier.adapter:Denier", group),
        EntryPoint("again", "flotilla_mixer.adapters.denier.adapter:Denier", group),
    ]
    assert list(load_adapters(points)) == ["denier"]


# denier


def denied(**params: Any) -> CheckResult:
    adapter = Denier()
    found: Any = adapter.defaults()
    json_format.ParseDict(params, found)
    answers: list[Any] = []
    handler = adapter.build(found, [], Background())
    handler.check([CheckCall(InstanceSpec("a", CHECK_NOTHING), (), answers.append)])
    (answer,) = answers
    return answer  # type: ignore[no-any-return]


def test_the_denier_says_no() -> None:
    assert denied() == CheckResult(9, "", 5.0, 1000)
    assert denied(status={"code": 7, "message": "go away"}, validDuration="1.5s", validUseCount=3) == CheckResult(
        7, "go away", 1.5, 3
    )


WRONG_DENIERS = [
    ({"status": {"code": 17}}, "spec.params.status.code"),
    ({"status": {"code": -1}}, "spec.params.status.code"),
    ({"status": {"code": 0}}, "spec.params.status.code"),
    ({"validDuration": "-1s"}, "spec.params.validDuration"),
    ({"validUseCount": -1}, "spec.params.validUseCount"),
]


@pytest.mark.parametrize(("params", "field"), WRONG_DENIERS)
def test_a_denier_that_makes_no_sense(params: dict[str, Any], field: str) -> None:
    adapter = Denier()
    found: Any = adapter.defaults()
    json_format.ParseDict(params, found)
    assert [fault.field for fault in adapter.validate(found, [])] == [field]


# values as text and numbers

TEXTS = [
    ("a", "a"),
    (None, ""),
    (True, "true"),
    (False, "false"),
    (7, "7"),
    (1.5, "1.5"),
    (100.0, "100"),
    (bytes([1, 2, 3, 4]), "1.2.3.4"),
    (bytes(15) + b"\x01", "::1"),
    (b"abc", "616263"),
    ({"b": "2", "a": "1"}, "a=1&b=2"),
    (Timestamp(1767225600_123_456_789), "2026-01-01T00:00:00.123456Z"),
    (Duration(0), "0s"),
    (Duration(90_000_000_000), "1m30s"),
    (Duration(3_600_000_000_000), "1h0m0s"),
    (Duration(2_500_000), "2.5ms"),
    (Duration(1_500), "1.5µs"),
    (Duration(-5), "-5ns"),
    (Duration(1_000_000_001), "1.000000001s"),
]


@pytest.mark.parametrize(("value", "expected"), TEXTS)
def test_values_as_text(value: object, expected: str) -> None:
    assert text_of(value) == expected


READ_AS = [
    ("reviews", "reviews", True),
    ("Reviews", "reviews", False),
    ("7", 7, True),
    ("07", 7, True),
    ("x", 7, False),
    ("1.50", 1.5, True),
    ("1e2", 100.0, True),
    ("T", True, True),
    ("FALSE", False, True),
    ("yes", True, False),
    ("90s", Duration(90_000_000_000), True),
    ("1m30s", Duration(90_000_000_000), True),
    ("90", Duration(90_000_000_000), False),
    ("10.0.0.1", bytes([10, 0, 0, 1]), True),
    ("0:0:0:0:0:0:0:1", bytes(15) + b"\x01", True),
    ("2026-01-01T01:00:00+01:00", Timestamp(1767225600_000_000_000), True),
    ("2026-01-01T00:00:00.5Z", Timestamp(1767225600_500_000_000), True),
    ("a=1&b=2", {"b": "2", "a": "1"}, True),
    ("", None, True),
    ("x", None, False),
]


@pytest.mark.parametrize(("text", "value", "same"), READ_AS)
def test_texts_that_are_a_value(text: str, value: object, same: bool) -> None:
    assert reads_as(text, value) is same


NUMBERS = [(1, 1.0), (1.5, 1.5), ("2.5", 2.5), (Duration(1_500_000_000), 1.5)]


@pytest.mark.parametrize(("value", "expected"), NUMBERS)
def test_values_as_numbers(value: object, expected: float) -> None:
    assert number_of(value) == expected


@pytest.mark.parametrize("value", [True, "x", b"1", None, {}])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"no number|could not convert"):
        number_of(value)
