"""Who Mixer is to AWS: files that are read again, roles, tokens that run out, and secrets that nobody sees."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from flotilla_mixer.adapters.cloudwatch.adapter import Cloudwatch
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.secrets import SecretError, SecretFolders
from flotilla_mixer.templates.catalogue import METRIC
from flotilla_mixer.testing.cloudwatch.http import Key
from flotilla_mixer.testing.cloudwatch.playing import until, written
from flotilla_mixer.testing.cloudwatch.receiver import KEY, SECRET, Receiver
from flotilla_mixer.testing.conformance.samples import sample_spec
from flotilla_mixer.testing.handlers import Background

CALLS = sample_spec(METRIC, (), name="calls.instance.ns")
ROLE = "arn:aws:iam::123456789012:role/mixer"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(autouse=True)
def no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "shared"))


class Played:
    def __init__(self, receiver: Receiver, credentials: dict[str, str], **background: Any) -> None:
        self.background = Background(**background)
        given = {
            "namespace": "Mesh",
            "region": "eu-central-1",
            "metricInfo": {CALLS.name: {}},
            "endpoints": {"metrics": receiver.url, "sts": receiver.url},
            "credentials": credentials,
            "flushDuration": "0s",
            "timeout": "30s",
        }
        params = json_format.ParseDict(given, Cloudwatch().defaults())
        assert list(Cloudwatch().validate(params, [CALLS])) == []
        self.handler = Cloudwatch().build(params, [CALLS], self.background)
        self._sent = 0

    async def send(self) -> None:
        """One value, and it is taken."""
        self._sent += 1
        self.report()
        await until(lambda: self.background.counted("sent") == {"": self._sent})

    def report(self) -> None:
        self.handler.report([ReportBatch(CALLS, [(1, None, (), ())])])

    async def dropped(self) -> dict[str, int]:
        self.report()
        await until(lambda: bool(self.background.counted("dropped")))
        return dict(self.background.counted("dropped"))

    async def end(self) -> None:
        await self.background.stop(0)
        self.handler.close()


def used(receiver: Receiver) -> list[str]:
    return [request.key for request in receiver.requests if request.operation == "PutMetricData"]


async def test_a_secret_file_that_changes_counts_from_the_next_call(receiver: Receiver, tmp_path: Path) -> None:
    receiver.keys |= {"AKID2": Key("second"), "AKID3": Key("third", "token3")}
    file = tmp_path / "secret"
    played = Played(receiver, {"secretFile": written(file)})
    await played.send()
    written(file, "AKID2", "second")
    await played.send()
    written(file, "AKID3", "third", "token3")
    await played.send()
    await played.end()
    assert used(receiver) == [KEY, "AKID2", "AKID3"]


async def test_a_section_of_a_secret_file(receiver: Receiver, tmp_path: Path) -> None:
    file = written(tmp_path / "secret", section="mesh")
    played = Played(receiver, {"secretFile": file, "profile": "mesh"})
    await played.send()
    await played.end()
    assert used(receiver) == [KEY]


async def test_a_token_that_has_run_out_is_renewed_and_nothing_is_lost(receiver: Receiver, tmp_path: Path) -> None:
    receiver.keys |= {"AKID1": Key("first", "token1"), "AKID2": Key("second", "token2")}
    file = tmp_path / "secret"
    played = Played(receiver, {"secretFile": written(file, "AKID1", "first", "token1")})
    await played.send()
    receiver.keys["AKID1"].expired = True
    played.report()
    await until(lambda: played.background.counted("retries").get("expired_token", 0) > 0)
    written(file, "AKID2", "second", "token2")
    played.report()
    await until(lambda: played.background.counted("sent") == {"": 3})
    await played.end()
    assert played.background.counted("dropped") == {}


async def test_a_role_is_taken_with_the_credentials_of_the_handler(receiver: Receiver, tmp_path: Path) -> None:
    file = written(tmp_path / "secret")
    played = Played(receiver, {"secretFile": file, "roleArn": ROLE, "externalId": "mesh-1"})
    await played.send()
    await played.send()
    await played.end()
    assert used(receiver) == ["ASIA1", "ASIA1"], "one token serves until it runs out"
    (asked,) = (request for request in receiver.requests if request.operation == "AssumeRole")
    assert asked.key == KEY
    wanted = {"RoleArn": ROLE, "RoleSessionName": "flotilla-mixer", "ExternalId": "mesh-1"}
    assert wanted.items() <= asked.body.items()


async def test_a_role_that_has_run_out_is_taken_again(receiver: Receiver, tmp_path: Path) -> None:
    played = Played(receiver, {"secretFile": written(tmp_path / "secret"), "roleArn": ROLE})
    await played.send()
    receiver.keys["ASIA1"].expired = True
    await played.send()
    await played.end()
    assert used(receiver) == ["ASIA1", "ASIA2"]
    assert played.background.counted("retries") == {"expired_token": 1}


async def test_a_token_of_the_platform_is_read_again_at_each_renewal(receiver: Receiver, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first-token")
    given = {"webIdentityTokenFile": str(token), "roleArn": ROLE, "roleSessionName": "mesh"}
    played = Played(receiver, given)
    await played.send()
    token.write_text("second-token!")
    receiver.keys["ASIA1"].expired = True
    await played.send()
    await played.end()
    assert receiver.issued == ["first-token", "second-token!"]
    asked = [request for request in receiver.requests if request.operation == "AssumeRoleWithWebIdentity"]
    assert {request.body["RoleSessionName"] for request in asked} == {"mesh"}
    assert [request.key for request in asked] == ["", ""], "the token stands for itself: nothing is signed"


async def test_the_sdks_own_files_are_read_again_when_they_change(receiver: Receiver, tmp_path: Path) -> None:
    receiver.keys |= {"AKID2": Key("second")}
    shared = tmp_path / "shared"
    written(shared)
    played = Played(receiver, {})
    await played.send()
    written(shared, "AKID2", "second")
    await played.send()
    await played.end()
    assert used(receiver) == [KEY, "AKID2"]


async def test_a_profile_of_the_sdks_files(receiver: Receiver, tmp_path: Path) -> None:
    written(tmp_path / "shared", section="mesh")
    played = Played(receiver, {"profile": "mesh"})
    await played.send()
    await played.end()
    assert used(receiver) == [KEY]


async def test_the_environment_and_a_role_of_its_own(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    first, second = Played(receiver, {}), Played(receiver, {"roleArn": ROLE})
    await first.send()
    await second.send()
    await first.end()
    await second.end()
    assert used(receiver) == [KEY, "ASIA1"]


async def test_entries_wait_for_credentials_that_are_not_there_yet(receiver: Receiver, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    played = Played(receiver, {"secretFile": str(file)})
    played.report()
    await until(lambda: played.background.counted("retries").get("credentials", 0) > 0)
    written(file)
    await until(lambda: played.background.counted("sent") == {"": 1})
    await played.end()


async def test_without_any_credentials_it_says_so(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    played = Played(receiver, {})
    played.report()
    await until(lambda: played.background.counted("retries").get("credentials", 0) > 0)
    await played.end()
    assert "Unable to locate credentials" in capsys.readouterr().out


@pytest.mark.parametrize("profile", ["default", "nobody"])
async def test_a_file_that_is_none_is_told_without_what_is_in_it(
    receiver: Receiver, tmp_path: Path, profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secret"
    file.write_text("[default]\naws_secret_access_key = hush-hush\nsome words\n")
    played = Played(receiver, {"secretFile": str(file), "profile": profile})
    played.report()
    await until(lambda: played.background.counted("retries").get("credentials", 0) > 0)
    await played.end()
    said = capsys.readouterr().out
    assert f"[{profile}] with aws_access_key_id and aws_secret_access_key" in said
    assert "hush" not in said


async def test_a_wrong_secret_is_denied_and_never_shown(
    receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = Played(receiver, {"secretFile": written(tmp_path / "secret", secret="hush-hush", token="hush-token")})
    assert await played.dropped() == {"denied": 1}
    shown = repr(played.handler._connection._settings)
    await played.end()
    assert "hush" not in capsys.readouterr().out + shown


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that Python's own loggers would write, whatever their levels."""
    written: list[str] = []
    handler, root = logging.Handler(), logging.getLogger()
    handler.emit = lambda record: written.append(f"{record.name}: {record.getMessage()}")  # type: ignore[method-assign]
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(before)
    root.removeHandler(handler)


async def test_the_sdk_logs_nothing_of_its_own(receiver: Receiver, tmp_path: Path, logged: list[str]) -> None:
    """At debug it would log the answers of STS, with keys and tokens."""
    played = Played(receiver, {"secretFile": written(tmp_path / "secret"), "roleArn": ROLE})
    await played.send()
    receiver.denied.add("AssumeRole")
    receiver.keys["ASIA1"].expired = True
    assert await played.dropped() == {"denied": 1}
    await played.end()
    assert [line for line in logged if line.startswith("boto") or "ASIA1" in line] == []


async def test_a_file_outside_of_the_folders_for_secrets_is_refused(receiver: Receiver, tmp_path: Path) -> None:
    for field in ("secretFile", "webIdentityTokenFile"):
        given = {field: "/etc/passwd"} | ({"roleArn": ROLE} if field != "secretFile" else {})
        with pytest.raises(SecretError, match="secret_folders"):
            Played(receiver, given, secrets=SecretFolders([str(tmp_path)]))


async def test_without_a_region_entries_are_refused(receiver: Receiver, tmp_path: Path) -> None:
    background = Background()
    given = {
        "namespace": "Mesh",
        "metricInfo": {CALLS.name: {}},
        "credentials": {"secretFile": written(tmp_path / "secret")},
        "flushDuration": "0s",
    }
    handler = Cloudwatch().build(json_format.ParseDict(given, Cloudwatch().defaults()), [CALLS], background)
    handler.report([ReportBatch(CALLS, [(1, None, (), ())])])
    await until(lambda: background.counted("dropped") == {"refused": 1})
    await background.stop(0)
    handler.close()
