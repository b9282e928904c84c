"""`flotilla mixer tap`: Checks and reports as they pass through a Mixer that runs."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flotilla_cli.errors import Refused
from flotilla_cli.mixing.asking import address_of, read_answer

FILTERS = ("namespace", "workload", "rule", "match", "kind", "rate")


def run(arguments: Namespace) -> int:
    """0 after as many lines as were asked for, else 1 when the stream ends: Mixer was stopped."""
    query = {name: str(value) for name in FILTERS if (value := getattr(arguments, name)) is not None}
    shown = 0
    for line in _lines(address_of(arguments), query):
        if line.get("lost"):
            print(f"{line['lost']} passed without being shown", file=sys.stderr, flush=True)
        if line["kind"] == "alive":
            continue
        print(json.dumps(line) if arguments.output == "json" else line_text(line), flush=True)
        shown += 1
        if shown == arguments.count:
            return 0
    print("The stream has ended: Mixer was stopped.", file=sys.stderr)
    return 1


def _lines(address: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    import httpx

    timeout = httpx.Timeout(30.0)
    try:
        with (
            httpx.Client(trust_env=False, timeout=timeout) as client,
            client.stream("GET", f"http://{address}/debug/tap", params=dict(query)) as answer,
        ):
            if answer.status_code >= 400:
                answer.read()
                read_answer(answer, address)
            for text in answer.iter_lines():
                if text:
                    yield json.loads(text)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Refused(f"Mixer's introspection port {address} does not answer: {error}.") from error


def line_text(line: Mapping[str, Any]) -> str:
    """One line for people."""
    bag = line["attributes"]
    at = f"{datetime.fromtimestamp(line['at'], UTC):%H:%M:%S.%f}"[:12]
    request = " ".join(str(bag[name]) for name in ("request.method", "request.path", "response.code") if name in bag)
    request = request or str(bag.get("context.protocol", ""))
    verdict = _verdict(line["verdict"]) if "verdict" in line else ""
    rules = f"  [{', '.join(line['rules'])}]" if line["rules"] else ""
    return f"{at} {line['kind']:<6} {_end(bag, 'source')} -> {_end(bag, 'destination')}  {request}{verdict}{rules}"


def _verdict(verdict: Mapping[str, Any]) -> str:
    if "error" in verdict:
        return f"  error: {verdict['error']}"
    return f"  {verdict['status']} {verdict.get('message', '')}".rstrip()


def _end(bag: Mapping[str, Any], side: str) -> str:
    names = (f"{side}.workload.name", f"{side}.name", f"{side}.service.host", f"{side}.uid", f"{side}.ip")
    found = next((str(bag[name]) for name in names if bag.get(name)), "unknown")
    namespace = bag.get(f"{side}.workload.namespace") or bag.get(f"{side}.namespace")
    return f"{found}.{namespace}" if namespace and found != "unknown" else found
