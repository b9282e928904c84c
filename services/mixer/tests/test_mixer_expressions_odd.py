"""Odd texts: what the packages of Go that Istio 1.4 asked make of them, text by text.

`odd_inputs.jsonl` was written by programs that asked `net`, `net/mail`, `net/url`, `time`, `regexp`, `strings`,
`go/parser` and `golang.org/x/net/idna` themselves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flotilla_mixer.expressions import functions
from flotilla_mixer.expressions.errors import EvaluationError
from flotilla_shared.model.expressions import ExpressionError, parse, parse_duration

CASES = [json.loads(line) for line in (Path(__file__).parent / "odd_inputs.jsonl").read_text().splitlines()]
NAMES = sorted({case["function"] for case in CASES})


def outcome(name: str, arguments: list[str]) -> dict[str, Any]:
    """As a case writes it."""
    try:
        found: Any = _CALLED.get(name, getattr(functions, name, None))(*arguments)
    except (EvaluationError, ExpressionError):
        return {"refused": True}
    if found is None:
        return {"refused": True}
    return {"result": found.hex() if isinstance(found, bytes) else found}


_CALLED: dict[str, Any] = {"parse": lambda text: str(parse(text)), "parse_duration": parse_duration}


@pytest.mark.parametrize("name", NAMES)
def test_odd_texts_are_read_as_go_reads_them(name: str) -> None:
    cases = [case for case in CASES if case["function"] == name]
    wrong = {}
    for case in cases:
        found = outcome(name, case["arguments"])
        if found != {key: case[key] for key in ("result", "refused") if key in case}:
            wrong[json.dumps(case["arguments"])] = (found, case)
    assert wrong == {}
    assert any("result" in case for case in cases)
    assert len(cases) > 5


def test_every_function_that_reads_texts_has_odd_ones() -> None:
    assert {"dns_name", "dns_equal", "email", "email_equal", "uri", "uri_equal", "ip", "timestamp", "matches"} <= {
        *NAMES
    }
