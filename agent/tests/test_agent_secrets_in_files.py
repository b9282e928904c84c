"""Certificates in files: read by the names that Pilot gives them, followed as they change, and used by a real Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import json_format

from flotilla_agent.sds.files import FileSecrets, paths_of, read_secret, system_file
from flotilla_agent.sds.foreign import NoForeignSecrets, SeveralSecrets
from flotilla_agent.sds.pem import SecretRefused
from flotilla_agent.status.state import State
from flotilla_shared.model.envoy_values import load_types
from flotilla_shared.testing.certificates import CertificateAuthorityForTests

CA = CertificateAuthorityForTests()
PAIR = CA.certificate("spiffe://cluster.local/ns/a/sa/b")
OTHER = CA.certificate("spiffe://cluster.local/ns/a/sa/c")
ROOT = CA.root_pem.encode()


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., str]:
    """Writes a file and gives its path."""

    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return write


@pytest.fixture
async def secrets(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FileSecrets]:
    monkeypatch.setattr("flotilla_agent.sds.files.POLL_SECONDS", 0.01)
    made = FileSecrets("reviews-v1")
    yield made
    await made.stop()


def envoys(made: Any) -> Secret:
    return Secret.FromString(made.body.value)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("file-cert:/a~/b", ["/a", "/b"]),
        ("file-root:/a", ["/a"]),
        ("file-root:/a~/crl", ["/a", "/crl"]),
        ("file-root:system", [str(system_file())]),
        ("file-cert:/a", []),
        ("file-cert:/a~", []),
        ("file-cert:/a~/b~/c", []),
        ("file-root:", []),
        ("file-root:/a\0b", []),
        ("kubernetes://a", []),
        ("default", []),
    ],
)
def test_which_files_a_name_means(name: str, paths: list[str]) -> None:
    assert [str(each) for each in paths_of(name)] == paths
    assert FileSecrets("a").serves(name) is bool(paths)


def test_a_pair(files: Callable[..., str]) -> None:
    name = f"file-cert:{files('chain.pem', PAIR.chain_pem)}~{files('key.pem', PAIR.key_pem)}"
    found = envoys(read_secret(name))
    assert found.name == name
    assert found.tls_certificate.certificate_chain.inline_bytes == PAIR.chain_pem
    assert found.tls_certificate.private_key.inline_bytes == PAIR.key_pem


def test_authorities_with_what_is_revoked(files: Callable[..., str]) -> None:
    root = files("ca.pem", ROOT)
    assert not envoys(read_secret(f"file-root:{root}")).validation_context.HasField("crl")
    found = envoys(read_secret(f"file-root:{root}~{files('crl.pem', b'revoked')}")).validation_context
    assert (found.trusted_ca.inline_bytes, found.crl.inline_bytes) == (ROOT, b"revoked")


def test_the_authorities_of_the_system() -> None:
    if not system_file().is_file():
        pytest.skip(f"this system has no authorities at {system_file()}")
    found = envoys(read_secret("file-root:system")).validation_context
    assert found.trusted_ca.inline_bytes == system_file().read_bytes()


BAD = {
    "another's key": (PAIR.chain_pem, OTHER.key_pem, "is not its certificate's"),
    "no certificate": (b"x", PAIR.key_pem, "holds no certificate in PEM"),
    "no key": (PAIR.chain_pem, b"x", "holds no usable key in PEM"),
    "too large": (b"x" * (4 * 1024 * 1024 + 1), PAIR.key_pem, "is larger than"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_envoy_could_not_use_is_refused(name: str, files: Callable[..., str]) -> None:
    chain, key, text = BAD[name]
    with pytest.raises(SecretRefused, match=text):
        read_secret(f"file-cert:{files('chain.pem', chain)}~{files('key.pem', key)}")


async def test_files_are_followed_and_a_bad_one_leaves_what_there_is(
    secrets: FileSecrets, files: Callable[..., str], tmp_path: Path
) -> None:
    changed = asyncio.Event()
    leave = secrets.subscribe(changed.set)
    name = f"file-root:{tmp_path / 'ca.pem'}"
    secrets.want(name)
    assert dict(secrets.current) == {}
    assert "No such file" in secrets.problems[name]
    files("ca.pem", ROOT)
    await changed.wait()
    assert envoys(secrets.current[name]).validation_context.trusted_ca.inline_bytes == ROOT
    assert secrets.problems == {}
    files("ca.pem", b"damaged")
    while not secrets.problems:
        await asyncio.sleep(0.01)
    assert envoys(secrets.current[name]).validation_context.trusted_ca.inline_bytes == ROOT
    changed.clear()
    new = CertificateAuthorityForTests("new").root_pem.encode()
    files("ca.pem", new)
    await changed.wait()
    assert envoys(secrets.current[name]).validation_context.trusted_ca.inline_bytes == new
    leave()


async def test_each_name_is_one_kinds(secrets: FileSecrets, files: Callable[..., str]) -> None:
    several = SeveralSecrets(NoForeignSecrets(), secrets)
    name = f"file-root:{files('ca.pem', ROOT)}"
    assert [several.serves(each) for each in (name, "kubernetes://a")] == [True, False]
    heard = asyncio.Event()
    leave = several.subscribe(heard.set)
    several.want(name)
    assert heard.is_set()
    assert list(several.current) == [name]
    leave()


def calling_with(pair: str, root: str) -> Cluster:
    """A cluster that shows a certificate of files, and asks for one of an authority in a file."""
    source = {
        "api_config_source": {
            "api_type": "GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
        },
        "resource_api_version": "V3",
    }
    content = {
        "name": "outside",
        "connect_timeout": "1s",
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "common_tls_context": {
                    "tls_certificate_sds_secret_configs": [{"name": pair, "sds_config": source}],
                    "validation_context_sds_secret_config": {"name": root, "sds_config": source},
                },
            },
        },
    }
    load_types(content)
    return json_format.ParseDict(content, Cluster())


async def test_envoy_uses_them(new_fleet, new_workload, pilot, until, files):
    pair = f"file-cert:{files('chain.pem', PAIR.chain_pem)}~{files('key.pem', PAIR.key_pem)}"
    clusters = pilot.resources["type.googleapis.com/envoy.config.cluster.v3.Cluster"]
    clusters.append(calling_with(pair, f"file-root:{files('ca.pem', ROOT)}"))
    config = new_workload()
    (workload,) = (await new_fleet(config)).workloads
    await until(workload, State.READY)
    async with httpx.AsyncClient(trust_env=False) as client:
        while str(PAIR.serial) not in await used(client, config.address):
            await asyncio.sleep(0.02)


async def used(client: httpx.AsyncClient, address: str) -> set[str]:
    """The serial numbers of all certificates that Envoy has."""
    answer = (await client.get(f"http://{address}:15000/certs")).json()
    chains = [chain for each in answer["certificates"] for chain in each["cert_chain"]]
    return {str(int(each["serial_number"], 16)) for each in chains}
