"""Where the API server is and how it is spoken to: from a pod's service account, or from a kubeconfig file."""

from __future__ import annotations

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flotilla_shared.runtime.kube.credentials import ExecToken, FileToken, FixedToken, NoToken, TokenSource
from flotilla_shared.runtime.settings import SettingsError
from flotilla_shared.runtime.tls import memory_file

ANONYMOUS: TokenSource = NoToken()
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class ConnectionSettingsError(SettingsError):
    """There is no usable way to an API server; one sentence says what is missing or wrong, and where."""


@dataclass(frozen=True)
class KubeConnection:
    """`server` is a base URL; `context` None is plain HTTP (tests); `namespace` is the one that the credentials belong to.

    `server_name` is the name in the server's certificate where it is not the URL's host.
    """

    server: str
    context: ssl.SSLContext | None = None
    credentials: TokenSource = ANONYMOUS
    namespace: str = "default"
    server_name: str = ""

    @classmethod
    def from_pod(cls, folder: Path = SERVICE_ACCOUNT, environment: Mapping[str, str] | None = None) -> KubeConnection:
        """As a pod: the kubelet's variables, and the service account's folder. Blocking; raises ConnectionSettingsError."""
        given = os.environ if environment is None else environment
        host, port = given.get("KUBERNETES_SERVICE_HOST", ""), given.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise ConnectionSettingsError(
                "this is no pod: KUBERNETES_SERVICE_HOST is not set; give a kubeconfig file with the setting kubeconfig"
            )
        context = _context(_text(folder / "ca.crt"), f"{folder}/ca.crt")
        where = f"[{host}]" if ":" in host else host
        namespace = _text(folder / "namespace").strip() or "default"
        return cls(f"https://{where}:{port}", context, FileToken(folder / "token"), namespace)

    @classmethod
    def from_kubeconfig(cls, path: Path, context: str = "") -> KubeConnection:
        """As kubectl would with this file; `context` empty is its current one. Blocking; raises ConnectionSettingsError."""
        return _Kubeconfig(path).connection(context)


class _Kubeconfig:
    """One file. Paths in it are relative to its folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            content = yaml.load(_text(path), Loader=yaml.CSafeLoader)  # the safe one
        except yaml.YAMLError as error:
            raise ConnectionSettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(content, dict):
            raise ConnectionSettingsError(f"{path} is no kubeconfig: it holds no mapping")
        self._content = content

    def connection(self, name: str) -> KubeConnection:
        name = name or str(self._content.get("current-context") or "")
        chosen = self._named("contexts", "context", name)
        cluster = self._named("clusters", "cluster", str(chosen.get("cluster", "")))
        user = self._named("users", "user", str(chosen["user"])) if chosen.get("user") else {}
        server = str(cluster.get("server", "")).rstrip("/")
        if not server.startswith(("http://", "https://")):
            raise ConnectionSettingsError(f"{self._path}: the cluster's server must be a URL, not {server!r}")
        if cluster.get("proxy-url"):
            raise ConnectionSettingsError(f"{self._path}: proxy-url is not supported")
        context = self._tls(cluster, user) if server.startswith("https") else None
        namespace = str(chosen.get("namespace") or "default")
        return KubeConnection(
            server, context, self._credentials(user), namespace, str(cluster.get("tls-server-name") or "")
        )

    def _named(self, section: str, key: str, name: str) -> dict[str, Any]:
        for entry in self._content.get(section) or []:
            if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(key), dict):
                found: dict[str, Any] = entry[key]
                return found
        raise ConnectionSettingsError(f"{self._path}: {section} has no entry {name!r}")

    def _tls(self, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
        authority = self._material(cluster, "certificate-authority")
        context = _context(authority.decode() if authority else "", f"{self._path}: certificate-authority")
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate, key = self._material(user, "client-certificate"), self._material(user, "client-key")
        if certificate and key:
            try:
                with memory_file(certificate) as chain, memory_file(key) as secret:
                    context.load_cert_chain(chain, secret)
            except ssl.SSLError as error:
                raise ConnectionSettingsError(f"{self._path}: client-certificate and client-key: {error}") from error
        return context

    def _material(self, entry: dict[str, Any], key: str) -> bytes:
        """The content of `key-data` (base64) or of the file that `key` names."""
        if data := entry.get(f"{key}-data"):
            try:
                return base64.b64decode(str(data), validate=True)
            except binascii.Error as error:
                raise ConnectionSettingsError(f"{self._path}: {key}-data is no base64") from error
        return _text(self._file(entry[key])).encode() if entry.get(key) else b""

    def _file(self, name: object) -> Path:
        return self._path.parent / str(name)

    def _credentials(self, user: dict[str, Any]) -> TokenSource:
        if user.get("tokenFile"):
            return FileToken(self._file(user["tokenFile"]))
        if user.get("token"):
            return FixedToken(str(user["token"]))
        if plugin := user.get("exec"):
            command = [str(plugin.get("command", "")), *(str(each) for each in plugin.get("args") or [])]
            environment = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or []}
            return ExecToken(command, environment, str(plugin.get("apiVersion", "")))
        return ANONYMOUS


def _context(authority: str, where: str) -> ssl.SSLContext:
    """Verifies against one authority, or against the machine's where none is given."""
    try:
        context = ssl.create_default_context(cadata=authority or None)
    except ssl.SSLError as error:
        raise ConnectionSettingsError(f"{where} holds no certificates: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise ConnectionSettingsError(f"{path} cannot be read: {error.strerror}") from error
