"""How the stackdriver adapter gets to Google: TLS, credentials and their changes."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from flotilla_mixer.adapters.stackdriver import messages as libraries
from flotilla_mixer.adapters.stackdriver.access import APPLICATION_FILE
from flotilla_mixer.adapters.stackdriver.adapter import Stackdriver
from flotilla_mixer.adapters.stackdriver.place import METADATA_HOST, PROJECT_VARIABLE
from flotilla_mixer.kit.adapter import ReportBatch
from flotilla_mixer.kit.secrets import SecretFolders
from flotilla_mixer.testing.handlers import Background
from flotilla_mixer.testing.stackdriver_cases import (
    CALLS,
    LOG,
    ended,
    handler_of,
    log_row,
    params_of,
    report,
    until,
)
from flotilla_mixer.testing.stackdriver_server import StackdriverServer
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine the test runs on: it has no credentials, and no metadata server."""
    for name in (APPLICATION_FILE, PROJECT_VARIABLE, "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(METADATA_HOST, f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")
    monkeypatch.setenv("NO_GCE_CHECK", "true")


@pytest.fixture
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()


@pytest.fixture
async def server(authority: CertificateAuthorityForTests) -> AsyncIterator[StackdriverServer]:
    certificate = authority.certificate("spiffe://test/google", ["localhost"])
    pair = (certificate.key_pem, certificate.chain_pem)
    found = StackdriverServer(tls=grpc.ssl_server_credentials([pair]))
    await found.start()
    yield found
    await found.stop()


class Account:
    """A service account, and the file of its key."""

    def __init__(self, file: Path, name: str = "mixer") -> None:
        self.file = file
        self.email = f"{name}@mesh-9.iam.gserviceaccount.com"
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.content = {
            "type": "service_account",
            "project_id": "mesh-9",
            "private_key_id": name,
            "private_key": pem.decode(),
            "client_email": self.email,
            "token_uri": "https://127.0.0.1:1/token",
        }
        self.put(json.dumps(self.content))

    def put(self, text: str) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)

    def claims(self, authorization: str) -> dict[str, Any]:
        """Of a token that this account signed. Raises InvalidSignature for another's."""
        head, body, signature = authorization.removeprefix("Bearer ").split(".")
        public = self._key.public_key()
        public.verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        found: dict[str, Any] = json.loads(_decoded(body))
        return found


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path / "account.json")


def over_tls(
    server: StackdriverServer, authority: CertificateAuthorityForTests, folder: Path, **changes: Any
) -> dict[str, Any]:
    roots = folder / "roots.pem"
    roots.write_text(authority.root_pem)
    return {"endpoint": f"localhost:{server.port}", "plaintext": False, "caCertificates": str(roots), **changes}


async def test_a_service_account_signs_for_each_service(
    server: StackdriverServer, authority: CertificateAuthorityForTests, account: Account, tmp_path: Path
) -> None:
    background = Background()
    changes = over_tls(server, authority, tmp_path, serviceAccountPath=str(account.file), projectId=None)
    handler = handler_of(server, background, [CALLS, LOG], **changes)
    report(handler, CALLS, 1)
    handler.report([ReportBatch(LOG, [log_row()])])
    await ended(handler, background)
    assert background.counted("sent") == {"": 2}
    claims = [account.claims(call.metadata["authorization"]) for call in server.calls]
    assert {found["aud"] for found in claims} == {
        "https://monitoring.googleapis.com/",
        "https://logging.googleapis.com/",
    }
    assert {found["iss"] for found in claims} == {account.email}
    assert server.points.series[0].resource.labels["project_id"] == "mesh-9", "the project of the account"


async def test_a_new_key_is_taken_without_a_restart(
    server: StackdriverServer, authority: CertificateAuthorityForTests, account: Account, tmp_path: Path
) -> None:
    background = Background()
    changes = over_tls(server, authority, tmp_path, serviceAccountPath=str(account.file))
    handler = handler_of(server, background, [LOG], **changes)
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: server.calls)
    other = Account(account.file, "other")
    handler.report([ReportBatch(LOG, [log_row()])])
    await ended(handler, background)
    assert other.claims(server.calls[1].metadata["authorization"])["iss"] == other.email
    assert background.counted("sent") == {"": 2}


NO_KEYS: dict[str, Edit | str] = {
    "no json": "{private_key: topsecret",
    "no object": '"topsecret"',
    "no email": lambda content: content.pop("client_email"),
    "no key": lambda content: content.update(private_key="topsecret"),
}


@pytest.mark.parametrize("name", NO_KEYS)
async def test_a_file_that_is_no_key_is_told_without_what_is_in_it(
    server: StackdriverServer,
    authority: CertificateAuthorityForTests,
    account: Account,
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edit, content = NO_KEYS[name], dict(account.content)
    if callable(edit):
        edit(content)
        content["client_id"] = "topsecret"
    account.put(json.dumps(content) if callable(edit) else edit)
    background = Background()
    changes = over_tls(server, authority, tmp_path, serviceAccountPath=str(account.file))
    handler = handler_of(server, background, [LOG], **changes)
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: background.counted("retries"))
    said = capsys.readouterr().out
    assert "is no key of a service account" in said
    assert "topsecret" not in said
    account.put(json.dumps(account.content))
    await ended(handler, background)
    assert background.counted("sent") == {"": 1}, "a file that is mended is taken"


async def test_a_server_with_another_authority_gets_no_credentials(
    server: StackdriverServer, account: Account, tmp_path: Path
) -> None:
    background = Background()
    other = CertificateAuthorityForTests("other")
    changes = over_tls(server, other, tmp_path, serviceAccountPath=str(account.file))
    handler = handler_of(server, background, [LOG], **changes)
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: background.counted("retries"))
    await ended(handler, background, 0.0)
    assert not server.calls
    assert set(background.counted("retries")) == {"unreachable"}


async def test_an_api_key_goes_with_each_call_and_follows_its_file(
    server: StackdriverServer, authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("first\n")
    background = Background()
    handler = handler_of(server, background, [LOG], **over_tls(server, authority, tmp_path, apiKeyPath=str(key)))
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: server.calls)
    key.write_text("second one\n")
    handler.report([ReportBatch(LOG, [log_row()])])
    await ended(handler, background)
    assert [call.metadata["x-goog-api-key"] for call in server.calls] == ["first", "second one"]
    assert "authorization" not in server.calls[0].metadata


async def test_an_api_key_of_the_handler(
    server: StackdriverServer, authority: CertificateAuthorityForTests, tmp_path: Path
) -> None:
    background = Background()
    handler = handler_of(server, background, [CALLS], **over_tls(server, authority, tmp_path, apiKey="mine"))
    report(handler, CALLS, 1)
    await ended(handler, background)
    assert server.calls[0].metadata["x-goog-api-key"] == "mine"


async def test_application_default_credentials_are_found_and_followed(
    server: StackdriverServer,
    authority: CertificateAuthorityForTests,
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(APPLICATION_FILE, str(account.file))
    background = Background()
    changes = over_tls(server, authority, tmp_path, appCredentials=True, projectId=None)
    handler = handler_of(server, background, [LOG], **changes)
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: server.calls)
    other = Account(account.file, "other")
    handler.report([ReportBatch(LOG, [log_row()])])
    await ended(handler, background)
    first, second = (call.metadata["authorization"] for call in server.calls)
    assert account.claims(first)["iss"] == account.email
    assert other.claims(second)["iss"] == other.email
    assert server.logs.entries[0].log_name.startswith("projects/mesh-9/")


async def test_without_any_credentials_it_is_told_what_to_do(
    server: StackdriverServer,
    authority: CertificateAuthorityForTests,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG], **over_tls(server, authority, tmp_path))
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: background.counted("retries"))
    await ended(handler, background, 0.0)
    assert "name a serviceAccountPath, or bind a service account to Mixer's" in capsys.readouterr().out
    assert set(background.counted("retries")) == {"credentials"}


async def test_a_file_of_authorities_that_is_missing_is_told(
    server: StackdriverServer, capsys: pytest.CaptureFixture[str]
) -> None:
    background = Background()
    handler = handler_of(server, background, [LOG], plaintext=False, caCertificates="/nonexistent/roots.pem")
    handler.report([ReportBatch(LOG, [log_row()])])
    await until(lambda: background.counted("retries"))
    await ended(handler, background, 0.0)
    assert "/nonexistent/roots.pem cannot be read" in capsys.readouterr().out


def test_files_are_below_the_folders_of_secrets(tmp_path: Path) -> None:
    background = Background(secrets=SecretFolders([str(tmp_path)]))
    params = params_of(None, serviceAccountPath="/etc/passwd")
    with pytest.raises(ValueError, match="must be below a folder"):
        Stackdriver().build(params, [LOG], background)


def test_without_the_libraries_it_is_said_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    libraries.monitoring.cache_clear()
    monkeypatch.setitem(sys.modules, "google.cloud.monitoring_v3.types", None)
    monkeypatch.setitem(sys.modules, "google.cloud.monitoring_v3.services.metric_service", None)
    faults = list(Stackdriver().validate(params_of(None), [CALLS]))
    assert [(fault.field, fault.text) for fault in faults] == [("spec.params", f"{libraries.MISSING}.")]
    with pytest.raises(ValueError, match="install flotilla-mesh-mixer"):
        Stackdriver().build(params_of(None), [CALLS], Background())
    libraries.monitoring.cache_clear()
