"""`flotilla mixer check`, `report` and `tap`: of files, and of a Mixer's introspection port that is really served."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.commands.mixer_tap import line_text
from flotilla_cli.mixing.asking import read_quotas
from flotilla_mixer.debug.questions import questions_router
from flotilla_mixer.debug.tap import Tap
from flotilla_mixer.kit.results import UNOPPOSED
from flotilla_mixer.sources.swap import Swap
from flotilla_mixer.testing.meshes import configured
from flotilla_shared.runtime.http import HttpServer
from flotilla_shared.runtime.introspection import introspection_app
from flotilla_shared.runtime.readiness import Readiness

RULES = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: closed, namespace: default}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: closed today}}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: limits, namespace: default}
spec: {compiledAdapter: memquota, params: {quotas: [{name: few.instance.default, maxAmount: 3, validDuration: 60s}]}}
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: lines, namespace: default}
spec: {compiledAdapter: noop}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: ask, namespace: default}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: few, namespace: default}
spec: {compiledTemplate: quota}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: line, namespace: default}
spec: {compiledTemplate: logentry, params: {severity: '"info"', variables: {size: request.size | 0}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: default}
spec:
  match: source.labels["version"] == "v2"
  actions: [{handler: closed, instances: [ask]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: limit, namespace: default}
spec: {actions: [{handler: limits, instances: [few]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tell, namespace: default}
spec: {actions: [{handler: lines, instances: [line]}]}
"""
LOST = """\
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: lost, namespace: default}
spec: {actions: [{handler: nowhere, instances: [ask]}]}
"""
V2, V3 = (
    "destination.namespace=default,source.labels=app:reviews;version:v2",
    "destination.namespace=default,source.labels=version:v3",
)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(RULES)
    return file


class LiveMixer(threading.Thread):
    """The introspection port of a Mixer, served from a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.up = threading.Event()
        self.loop = asyncio.new_event_loop()
        self.address = ""
        self.tap = Tap()

    def run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        swap = Swap("istio-system")
        self.table = swap.put(configured(RULES))
        router = questions_router(lambda: swap.table, self.tap)
        server = HttpServer(introspection_app("mixer", {}, Readiness(), {}, router), "127.0.0.1", 0)
        await server.start()
        self.address = f"127.0.0.1:{server.ports[0]}"
        self.up.set()
        await self._end.wait()
        await self.tap.stop()
        await server.stop()
        await swap.stop()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self.join()

    def let_pass(self, number: int) -> None:
        """So many Checks and one report, as soon as somebody listens."""
        asyncio.run_coroutine_threadsafe(self._pass(number), self.loop)

    def wait_until_nobody_listens(self) -> None:
        asyncio.run_coroutine_threadsafe(self._quiet(), self.loop).result(20)

    async def _quiet(self) -> None:
        while self.tap.open:
            await asyncio.sleep(0.01)

    async def _pass(self, number: int) -> None:
        while not self.tap.open:
            await asyncio.sleep(0.01)
        bag = {"request.method": "GET", "request.path": "/x", "source.workload.name": "a", "source.namespace": "n"}
        for _ in range(number):
            self.tap.check(self.table, "default", bag, UNOPPOSED)
        self.tap.report(self.table, "default", bag | {"response.code": 200})


@pytest.fixture
def live() -> Iterator[LiveMixer]:
    made = LiveMixer()
    made.start()
    assert made.up.wait(20)
    yield made
    made.end()


def check(*arguments: str) -> int:
    return main(["mixer", "check", *arguments])


@pytest.mark.parametrize("where", ["files", "live"])
def test_a_check_that_is_denied(where: str, rules: Path, live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-f", str(rules)] if where == "files" else ["--mixer", live.address]
    assert check(*asked, "-a", V2) == 1
    text = capsys.readouterr().out
    assert text.startswith("PERMISSION_DENIED closed.default:closed today\n  valid for 5 s and 1000 uses\n")
    assert '  exact    source.labels["version"]' in text
    assert "rules (" not in text
    assert check(*asked, "-a", V2, "--explain") == 1
    text = capsys.readouterr().out
    assert "how it came about: One was asked, denied by closed.default" in text
    assert "  default/deny  holds\n" in text
    assert '      source.labels["version"]  is  "v2"\n' in text
    assert "      said  PERMISSION_DENIED closed today, valid for 5 s and 1000 uses\n" in text
    assert "  1 that do other things\n" in text  # the rule that only reports


def test_a_check_that_passes_says_why_the_rule_did_not_hold(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("-f", str(rules), "-a", V3, "--explain") == 0
    text = capsys.readouterr().out
    assert '      source.labels["version"] == "v2"  is  false\n' not in text  # it is the whole match
    assert '      source.labels["version"]  is  "v3"\n' in text
    assert check("-f", str(rules), "-a", "destination.namespace=default", "--explain") == 0
    assert "      cannot be judged: lookup failed: 'source.labels'\n" in capsys.readouterr().out


def test_as_json(rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check("-f", str(rules), "-a", V2, "-o", "json")
    short = json.loads(capsys.readouterr().out)
    check("-f", str(rules), "-a", V2, "-o", "json", "--explain")
    whole = json.loads(capsys.readouterr().out)
    assert short["result"] == whole["result"]
    assert whole.keys() - short.keys() == {"rules", "asked", "combined"}


def test_quotas_are_used_up_only_by_consume(live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-m", live.address, "-a", V3, "-q", "few=2,other"]
    for _ in range(3):
        assert check(*asked) == 0
        text = capsys.readouterr().out
        assert "quota few, 2: not asked\n  limits.default (memquota)  few.instance.default" in text
        assert "Quotas were not asked: that would use them up. --consume asks." in text
        assert "quota other, 1: granted 1 for 60 s\n  no rule that holds limits it" in text
    granted = []
    for _ in range(3):
        check(*asked, "--consume", "-o", "json")
        granted.append(json.loads(capsys.readouterr().out)["quotas"]["few"]["result"]["granted"])
    assert granted == [2, 1, 0]


@pytest.mark.parametrize("where", ["files", "live"])
def test_a_report(where: str, rules: Path, live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["-f", str(rules)] if where == "files" else ["--mixer", live.address]
    assert main(["mixer", "report", *asked, "-a", V3, "-i", "request.size=5"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "would be sent to the handlers (--send really sends it):\n  lines.default (noop)  line.instance.default  (logentry)\n"
    )
    assert "      variables[size] = 5\n" in text
    assert main(["mixer", "report", *asked, "-a", "destination.namespace=other"]) == 0
    assert capsys.readouterr().out.startswith("nothing is reported of this.\n")
    if where == "live":
        assert main(["mixer", "report", *asked, "-a", V3, "--send", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["sent"] is True


def test_what_is_wrong_with_the_files_is_told_beside_the_answer(
    rules: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules.write_text(RULES + LOST)
    assert check("-f", str(rules), "-a", V3, "--explain") == 0
    shown = capsys.readouterr()
    assert "nowhere" in shown.err
    assert "      does nothing: no action of it works\n      problem: spec.actions[0].handler: " in shown.out


TYPED = [
    (["-s", "a=5"], {"type": "STRING", "value": "5"}),
    (["-i", "a=5"], {"type": "INT64", "value": 5}),
    (["-d", "a=5"], {"type": "DOUBLE", "value": 5.0}),
    (["-b", "a=t"], {"type": "BOOL", "value": True}),
    (["-t", "a=2026-01-01T00:00:00Z"], {"type": "TIMESTAMP", "value": "2026-01-01T00:00:00Z"}),
    (["--duration", "a=1s"], {"type": "DURATION", "value": 1_000_000_000}),
    (["--bytes_attributes", "a=0a:00:00:01"], {"type": "BYTES", "hex": "0a000001"}),
    (["--stringmap", "a=k:v;l:w"], {"type": "STRING_MAP", "value": {"k": "v", "l": "w"}}),
    (["--int64_attributes", "a=5"], {"type": "INT64", "value": 5}),
    (["-a", "a=5", "-s", "a=6"], {"type": "STRING", "value": "6"}),
]


@pytest.mark.parametrize(("arguments", "expected"), TYPED)
def test_attributes_as_mixc_takes_them(arguments: list[str], expected: dict[str, Any]) -> None:
    from flotilla_cli.mixing.asking import read_question
    from flotilla_cli.parser import build_parser

    question = read_question(build_parser().parse_args(["mixer", "check", *arguments]), {})
    assert question.as_json()["attributes"] == {"a": expected}


WRONG = [
    (["check", "-a", "x"], "is no attribute"),
    (["check", "-i", "x=y"], "x is INT64"),
    (["check", "-i", "x=9223372036854775808"], "x is INT64"),
    (["check", "-q", "a=b"], "is no quota"),
    (["check", "-f", "no-such-file"], "cannot be read"),
    (["check", "-f", ".", "-m", "127.0.0.1:1"], "configuration of its own|has its own configuration"),
    (["check", "-f", ".", "--consume"], "nothing to use up"),
    (["report", "-f", ".", "--send"], "for the question only"),
    (["check", "-m", "127.0.0.1:1"], "does not answer"),
    (["check", "-m", "::"], "does not answer"),
    (["tap", "-m", "127.0.0.1:1"], "does not answer"),
    (["check", "--run-dir", "/no/such/folder"], "No mesh is up"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_refused_has_a_sentence(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mixer", *arguments]) == 1
    error = capsys.readouterr().err
    assert any(each in error for each in said.split("|")), error


def test_a_filter_that_is_none_is_refused_by_mixer(live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mixer", "tap", "-m", live.address, "--match", "1"]) == 1
    assert "match: it is INT64, and a match must be BOOL." in capsys.readouterr().err


def test_the_tap(live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    live.let_pass(1)
    assert main(["mixer", "tap", "-m", live.address, "-n", "2"]) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one[12:] == " check  a.n -> unknown  GET /x  OK  [default/limit]"
    assert two[12:] == " report a.n -> unknown  GET /x 200  [default/tell]"
    live.wait_until_nobody_listens()
    live.let_pass(1)
    assert main(["mixer", "tap", "-m", live.address, "-n", "1", "-o", "json", "--kind", "report"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "report"


def test_what_passed_is_asked_about(
    live: LiveMixer, rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live.let_pass(1)
    assert main(["mixer", "tap", "-m", live.address, "-n", "1", "-o", "json"]) == 0
    line = json.loads(capsys.readouterr().out)
    line["attributes"] |= {
        "destination.namespace": "default",
        "source.labels": {"version": "v2"},
        "source.ip": "10.0.0.1",
        "request.time": "2026-01-01T00:00:00.5Z",
        "response.duration": "1.5s",
    }
    (tmp_path / "line").write_text(json.dumps(line) + "\nmore\n")
    assert check("-f", str(rules), "--call", str(tmp_path / "line")) == 1
    assert check("-f", str(rules), "--call", str(tmp_path / "line"), "-a", "source.labels=version:v3") == 0
    capsys.readouterr()
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(line) + "\n"))
    assert main(["mixer", "report", "-f", str(rules), "--call", "-", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)["attributes"]
    assert shown == line["attributes"]


BAD_LINES = [
    "",
    "{",
    "3",
    "{}",
    '{"attributes": 3}',
    '{"attributes": {"source.ip": "x"}}',
    '{"attributes": {"a": [1]}}',
]
BAD_LINES += [
    '{"attributes": {"request.time": 3}}',
    '{"attributes": {"response.duration": "1"}}',
    '{"attributes": {"a": null}}',
]


@pytest.mark.parametrize("text", BAD_LINES)
def test_a_line_that_is_none(text: str, tmp_path: Path, rules: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "line").write_text(text)
    assert check("-f", str(rules), "--call", str(tmp_path / "line")) == 1
    assert capsys.readouterr().err.startswith("flotilla: ")


def test_the_tap_says_what_it_could_not_show(live: LiveMixer, capsys: pytest.CaptureFixture[str]) -> None:
    live.let_pass(500)
    assert main(["mixer", "tap", "-m", live.address, "-n", "1"]) == 0
    assert "passed without being shown" in capsys.readouterr().err


def test_a_failed_check_in_the_tap() -> None:
    line = {"kind": "check", "at": 0, "attributes": {"context.protocol": "tcp"}, "verdict": {"error": "x"}, "rules": []}
    assert line_text(line) == "00:00:00.000 check  unknown -> unknown  tcp  error: x"


def test_amounts() -> None:
    assert read_quotas(["a=2,b", "c=0"]) == {"a": 2, "b": 1, "c": 0}
    assert read_quotas(None) == {}
