"""Mutual TLS as Istio 1.4 had it: the backend must be of the very identity that Mixer shows it (mixer.md 6.3).

gRPC checks DNS names alone, so the TLS is made here, and gRPC speaks to it over a socket in a folder that nobody else
may enter. Files are read for every connection: a renewed certificate is used from the next one on.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import ssl
import tempfile
from itertools import count
from pathlib import Path

from cryptography import x509

from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.remote import MutualAuthentication

CHUNK_BYTES = 64 * 1024
DIAL_SECONDS = 10.0
WAITING = 16  # connections that gRPC opens at once; it needs one


class MutualRelay:
    """Listens on `path` from the moment that it is made; `run` takes what comes there to the backend."""

    def __init__(self, target: str, authentication: MutualAuthentication) -> None:
        """Raises ValueError for an address that is no host and port, and for files that cannot be used."""
        self.host, self._port = _host_and_port(target)
        self._authentication = authentication
        _context(authentication)
        self._turn = count()
        self._folder = Path(tempfile.mkdtemp(prefix="flotilla-"))
        self.path = self._folder / "backend"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))
        self._socket.listen(WAITING)

    async def run(self, environment: Environment) -> None:
        """Until it is cancelled."""
        open_ones: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer, environment), name="mutual TLS")
            open_ones[task] = writer
            task.add_done_callback(lambda ended: open_ones.pop(ended).transport.abort())

        try:
            server = await asyncio.start_unix_server(accepted, sock=self._socket)
            async with server:
                await asyncio.get_running_loop().create_future()
        finally:
            for task in open_ones:
                task.cancel()
            await asyncio.gather(*open_ones, return_exceptions=True)
            self.close()

    def close(self) -> None:
        """Listen no more. Safe twice; `run` does it when it ends."""
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, environment: Environment
    ) -> None:
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                far_reader, far_writer = await self._dial()
        except (OSError, ValueError, TimeoutError) as error:
            environment.complain("unreachable", "the backend cannot be reached with mutual TLS", error=str(error))
            return
        try:
            await _join((reader, writer), (far_reader, far_writer))
        finally:
            far_writer.transport.abort()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to one of the host's addresses, each in turn. Raises OSError or ValueError."""
        own, context = _context(self._authentication)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self.host, self._port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        first = next(self._turn) % len(addresses)
        failure: OSError = OSError(f"{self.host} has no address")
        for address in addresses[first:] + addresses[:first]:
            try:
                reader, writer = await asyncio.open_connection(
                    address, self._port, ssl=context, server_hostname=self._authentication.server_name or self.host
                )
            except OSError as error:
                failure = error
                continue
            self._verify(own, writer)
            return reader, writer
        raise failure

    def _verify(self, own: frozenset[str], writer: asyncio.StreamWriter) -> None:
        """The chain has been checked by TLS; the name is checked here. Raises ValueError."""
        shown = _identities(writer.get_extra_info("ssl_object").getpeercert(True))
        if not own & shown:
            writer.transport.abort()
            names = ", ".join(sorted(shown)) or "no URI"
            raise ValueError(f"the backend's certificate names {names}, and must name {', '.join(sorted(own))}")


def _context(authentication: MutualAuthentication) -> tuple[frozenset[str], ssl.SSLContext]:
    """Our own names and what connections are made with. Raises ValueError."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the name is a URI, and `_verify` looks at it
    context.set_alpn_protocols(["h2"])
    try:
        if authentication.ca_file:
            context.load_verify_locations(authentication.ca_file)
        context.load_cert_chain(authentication.certificate_file, authentication.key_file)
        content = Path(authentication.certificate_file).read_bytes()
        own = _identities_of(x509.load_pem_x509_certificate(content))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise ValueError(f"the files of mutual TLS cannot be used: {error}") from error
    if not own:
        raise ValueError(f"the certificate in {authentication.certificate_file} names no URI for the backend to have")
    return own, context


def _identities(certificate: bytes) -> frozenset[str]:
    return _identities_of(x509.load_der_x509_certificate(certificate))


def _identities_of(certificate: x509.Certificate) -> frozenset[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(names.get_values_for_type(x509.UniformResourceIdentifier))


def _host_and_port(target: str) -> tuple[str, int]:
    if target.startswith("unix:"):
        raise ValueError("mutual TLS needs a host and a port")
    host, _, port = target.rpartition("/")[2].removeprefix("dns:").removeprefix("ipv4:").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"mutual TLS needs a host and a port, and not {target!r}")
    return host.strip("[]"), int(port)


Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(near: Side, far: Side) -> None:
    """Both directions, until one ends: HTTP/2 has no use for half a connection."""
    pumps = [asyncio.create_task(_pump(near[0], far[1])), asyncio.create_task(_pump(far[0], near[1]))]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
