"""Whether two workloads may talk, by the policies that are in force now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from flotilla_mixer.attributes.view import MeshView
from flotilla_mixer.offline.may_talk import BadQuestion, Question, may_talk

Query = Mapping[str, str]


def may_talk_topic(view: Callable[[], MeshView | None]) -> Callable[[Query], dict[str, Any]]:
    """The topic: `source`, `destination` and what else Question has, headers a line each. `error` says what was wrong."""

    def ask(query: Query) -> dict[str, Any]:
        known = view()
        if known is None:
            return {"error": "Mixer has no configuration yet"}
        try:
            return may_talk(known, question_of(query))
        except BadQuestion as error:
            return {"error": f"{error}; ask with source=WORKLOAD and destination=SERVICE:PORT"}

    return ask


def question_of(query: Query) -> Question:
    """Raises BadQuestion."""
    lines = (each.partition(":") for each in query.get("header", "").splitlines() if each)
    try:
        claims = orjson.loads(query.get("claims") or "{}")
    except orjson.JSONDecodeError as error:
        raise BadQuestion(f"the claims are no JSON: {error}") from None
    if not isinstance(claims, dict):
        raise BadQuestion("the claims are no JSON object")
    return Question(
        query.get("source", ""),
        query.get("destination", ""),
        method=query.get("method") or "GET",
        path=query.get("path") or "/",
        host=query.get("host", ""),
        headers={name.strip(): value.strip() for name, _, value in lines},
        sni=query.get("sni", ""),
        remote_ip=query.get("remote_ip", ""),
        claims=claims,
        tcp=query.get("tcp") == "true",
        roles=query.get("roles") == "true",
    )
