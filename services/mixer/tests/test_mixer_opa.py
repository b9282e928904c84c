"""Opa: the input document, policies that are evaluated here, and servers that answer in every wrong way.

`tests/interop/test_interop_opa.py` has a real OPA.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.opa.adapter import Opa
from flotilla_mixer.adapters.opa.asking import decided
from flotilla_mixer.adapters.opa.document import input_of
from flotilla_mixer.adapters.opa.embedded import MISSING, Compiled, RegoProblem
from flotilla_mixer.adapters.opa.handler import MOST_WAITING, REJECTED, OpaHandler
from flotilla_mixer.kit.adapter import CheckCall
from flotilla_mixer.kit.results import DEFAULT, CheckResult
from flotilla_mixer.templates.catalogue import AUTHORIZATION
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.meshes import configured, problems
from flotilla_protos.istio.mixer.adapter.opa.config.config_pb2 import Params
from flotilla_shared.model.expressions import Duration, Timestamp

RULE = "data.mixerauthz.allow"
V0 = 'package mixerauthz\ndefault allow = false\nallow = true { input.subject.user == "good" }\n'
V1 = 'package mixerauthz\nimport rego.v1\ndefault allow := false\nallow if input.subject.user == "good"\n'
SUBJECT, ACTION = "subject.properties", "action.properties"


def asked(user: str = "good", **properties: Any) -> tuple[InstanceSpec, tuple[Any, ...]]:
    spec = InstanceSpec("asked.instance.test", AUTHORIZATION, {}, {SUBJECT: (), ACTION: tuple(properties)})
    return spec, (user, "", "default", "ratings", "GET", "/x", (), tuple(properties.values()))


def params(**given: Any) -> Params:
    return json_format.ParseDict({"checkMethod": RULE, **given}, Params())


class Asking:
    """A handler, and what it answers."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    async def ask(self, *users: str) -> list[Any]:
        """In one batch."""
        answers: dict[int, Any] = {}
        calls = []
        for number, user in enumerate(users):
            spec, row = asked(user)
            calls.append(CheckCall(spec, row, lambda found, number=number: answers.setdefault(number, found)))
        self.handler.check(calls)
        async with asyncio.timeout(20):
            while len(answers) < len(users):
                await asyncio.sleep(0)
        return [answers[number] for number in range(len(users))]


@asynccontextmanager
async def opa(**given: Any) -> AsyncIterator[Asking]:
    background = Background()
    handler = Opa().build(params(**given), [], background)
    yield Asking(handler)
    await background.close(5.0)
    ending = handler.close()
    if ending is not None:
        await ending


DENIED = CheckResult(7, REJECTED)


class TestInput:
    def test_what_is_empty_is_left_out(self) -> None:
        spec, row = asked("", port=9080)
        assert input_of(spec, row) == {
            "action": {
                "namespace": "default",
                "service": "ratings",
                "method": "GET",
                "path": "/x",
                "properties": {"port": 9080},
            },
            "subject": {},
        }

    def test_groups_are_a_list_of_one(self) -> None:
        spec, row = asked()
        assert input_of(spec, ("u", "g", *row[2:]))["subject"] == {"user": "u", "groups": ["g"]}

    def test_values_are_as_json_has_them(self) -> None:
        spec, row = asked(
            ip=b"\x0a\0\0\1",
            mapped=b"\0" * 10 + b"\xff\xff\x0a\0\0\1",
            odd=b"\1\2",
            span=Duration(90_000_000_000),
            moment=Timestamp(0),
            headers={"a": "b"},
            flag=True,
            share=0.5,
            nothing=None,
        )
        assert input_of(spec, row)["action"]["properties"] == {
            "ip": "10.0.0.1",
            "mapped": "10.0.0.1",
            "odd": "0102",
            "span": "1m30s",
            "moment": "1970-01-01T00:00:00.000000Z",
            "headers": {"a": "b"},
            "flag": True,
            "share": 0.5,
            "nothing": None,
        }

    def test_a_row_that_does_not_fit_is_no_input(self) -> None:
        spec, row = asked(port=1)
        for wrong in (row[:-1], (*row[:-1], ()), ()):
            with pytest.raises(ValueError, match=r"values|shorter"):
                input_of(spec, wrong)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([True], True),
        ([False], False),
        ([], "no result"),
        ([True, True], "2 results"),
        ([1], "neither"),
        (["true"], "neither"),
    ],
)
def test_only_one_boolean_decides(found: Sequence[Any], answer: object) -> None:
    said = decided(found)
    assert said is answer or (isinstance(said, str) and str(answer) in said)


class TestEmbedded:
    @pytest.mark.parametrize("module", [V0, V1])
    async def test_both_ages_of_the_language(self, module: str) -> None:
        async with opa(policy=[module]) as asking:
            assert await asking.ask("good", "bad", "good") == [DEFAULT, DENIED, DEFAULT]

    async def test_several_modules_are_one_policy(self) -> None:
        second = 'package names\ngood = {"good", "better"}\n'
        first = "package mixerauthz\ndefault allow = false\nallow = true { data.names.good[input.subject.user] }\n"
        async with opa(policy=[first, second]) as asking:
            assert await asking.ask("better", "bad") == [DEFAULT, DENIED]

    @pytest.mark.parametrize(
        "module",
        [
            'package mixerauthz\nallow = true { input.subject.user == "good" }\n',
            "package mixerauthz\nallow = input.subject.user\n",
            "package mixerauthz\nallow = 1\n",
            "package other\nallow = true\n",
        ],
    )
    @pytest.mark.parametrize("fail_close", [False, True])
    async def test_what_the_policy_does_not_decide(self, module: str, fail_close: bool) -> None:
        async with opa(policy=[module], failClose=fail_close) as asking:
            (result,) = await asking.ask('bad "quoted"\n')
            if fail_close:
                assert (result.code, result.message.startswith(f"{REJECTED}. err: ")) == (7, True)
            else:
                assert result == DEFAULT

    async def test_a_policy_that_takes_long_holds_up_nobody_else(self) -> None:
        """While it is evaluated the loop goes on: the ticks between are counted, not timed."""
        heavy = (
            "package mixerauthz\nimport rego.v1\ndefault allow := false\n"
            "allow if count([1 | some i in numbers.range(1, 150); some j in numbers.range(1, 150); i * j == 77]) > 0\n"
        )
        async with opa(policy=[heavy]) as asking:
            answer = asyncio.create_task(asking.ask("good"))
            ticks = 0
            while not answer.done():
                await asyncio.sleep(0.001)
                ticks += 1
            assert await answer == [DEFAULT]
            assert ticks > 5

    def test_what_cannot_be_compiled_is_told_in_one_line(self) -> None:
        with pytest.raises(RegoProblem) as error:
            Compiled(["bad policy"], RULE)
        assert "\n" not in str(error.value)

    def test_without_the_engine_it_is_said_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "regopy", None)
        (fault,) = Opa().validate(params(policy=[V0]), [])
        assert (fault.field, fault.text) == ("spec.params.policy", f"{MISSING}.")

    @pytest.mark.parametrize("wrong", [{"policy": ["bad policy"]}, {"policy": []}, {"checkMethod": "", "policy": [V0]}])
    async def test_parameters_that_are_wrong_deny_everything_where_they_fail_closed(
        self, wrong: Mapping[str, Any]
    ) -> None:
        assert list(Opa().validate(params(**wrong), []))
        assert list(Opa().validate(params(**wrong, failClose=True), [])) == []
        async with opa(**wrong, failClose=True) as asking:
            assert await asking.ask("good") == [DENIED]

    def test_a_handler_with_a_policy_that_is_none_is_told(self) -> None:
        text = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: rego, namespace: default}
spec: {compiledAdapter: opa, params: {checkMethod: data.a.allow, policy: [bad policy]}}
"""
        found = problems(configured(text))
        assert ("handler", "rego", "spec.params.policy", "bad-params") in found


class Held:
    """A policy that answers when it is let."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.batches: list[int] = []

    async def ask(self, inputs: Sequence[dict[str, Any]]) -> Sequence[bool]:
        self.batches.append(len(inputs))
        await self.let.wait()
        return [True] * len(inputs)

    async def close(self) -> None:
        self.let.set()


class TestWaiting:
    async def test_calls_that_come_meanwhile_are_the_next_batch_and_too_many_are_not_decided(self) -> None:
        background, policy = Background(), Held()
        handler = OpaHandler(policy, True, background)
        answers: list[Any] = []
        spec, row = asked()
        handler.check([CheckCall(spec, row, answers.append)])
        while not policy.batches:
            await asyncio.sleep(0)
        handler.check([CheckCall(spec, row, answers.append) for _ in range(MOST_WAITING + 7)])
        assert len(answers) == 7
        assert all(each.code == 7 and "wait for the policy" in each.message for each in answers)
        policy.let.set()
        while len(answers) < MOST_WAITING + 8:
            await asyncio.sleep(0)
        assert policy.batches[0] == 1
        assert sum(policy.batches) == MOST_WAITING + 1
        assert answers[7:] == [DEFAULT] * (MOST_WAITING + 1)
        await background.close(1.0)

    async def test_a_handler_that_is_closed_answers_everybody(self) -> None:
        background, policy = Background(), Held()
        handler = OpaHandler(policy, False, background)
        answers: list[Any] = []
        spec, row = asked()
        handler.check([CheckCall(spec, row, answers.append) for _ in range(3)])
        while not policy.batches:
            await asyncio.sleep(0)
        handler.check([CheckCall(spec, row, answers.append) for _ in range(3)])
        await background.close(0.0)
        await handler.close()
        handler.check([CheckCall(spec, row, answers.append)])
        assert len(answers) == 7
        assert all(isinstance(each, str) for each in answers)


class WrongServer:
    """Answers each connection with the same bytes, or with nothing."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer)
            await writer.drain()
            if not self._answer:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()


def response(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


class TestServer:
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (response(b"{}"), "no result"),
            (response(b'{"result": 7}'), "neither"),
            (response(b"[]"), "no JSON object"),
            (response(b"{"), "no JSON"),
            (response(b'{"code": "internal_error"}', "500 Internal Server Error"), "answered 500"),
            (response(b"", "302 Found"), "answered 302"),
            (response(b" " * 1_100_000), "longer than"),
            (b"nonsense\r\n\r\n", "cannot be asked"),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", "cannot be asked"),
            (b"", "within 0.2 s"),
        ],
    )
    async def test_every_wrong_answer_is_no_decision(self, answer: bytes, said: str) -> None:
        async with WrongServer(answer) as url:
            server = {"url": url, "timeout": "30s" if answer else "0.200s"}
            async with opa(server=server, failClose=True) as asking:
                (result,) = await asking.ask("good")
                assert (result.code, said in result.message) == (7, True), result
            async with opa(server=server) as asking:
                assert await asking.ask("good") == [DEFAULT]

    async def test_right_answers(self) -> None:
        for body, wanted in ((b'{"result": true}', DEFAULT), (b'{"result": false}', DENIED)):
            async with WrongServer(response(body)) as url, opa(server={"url": f"{url}/"}, failClose=True) as asking:
                assert await asking.ask("a", "b", "c") == [wanted] * 3

    async def test_a_token_that_is_not_there_and_files_that_are_none(self, tmp_path: Any) -> None:
        url = "https://127.0.0.1:1"
        for server in (
            {"url": url, "tokenPath": str(tmp_path / "none")},
            {"url": url, "caCertificates": str(tmp_path / "none")},
            {"url": url, "clientCertificate": str(tmp_path / "none")},
        ):
            async with opa(server=server, failClose=True) as asking:
                (result,) = await asking.ask("good")
                assert (result.code, "cannot be asked" in result.message) == (7, True), result
