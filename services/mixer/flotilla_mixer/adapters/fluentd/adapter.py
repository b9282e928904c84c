"""The fluentd adapter: parameters to a forwarder, rows to entries (mixer.md 5.11)."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.fluentd.entries import Entry, EntryWriter, entry_size
from flotilla_mixer.adapters.fluentd.forwarder import Forwarder
from flotilla_mixer.adapters.fluentd.settings import LinkSettings, TlsFiles, server_of
from flotilla_mixer.kit.adapter import Environment, Fault, ReportBatch
from flotilla_mixer.kit.delivery import MEGABYTE, DeliverySettings
from flotilla_mixer.kit.sending import RetrySettings
from flotilla_mixer.templates.catalogue import LOG_ENTRY
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.fluentd.config.config_pb2 import Params

PARAMS = "spec.params"
NANOSECONDS = 1_000_000_000
ADDRESS = "localhost:24224"
BUFFER, LARGEST_BUFFER = 20_000, 1_000_000  # entries
BATCH_BYTES, LARGEST_BATCH_BYTES = 8 * MEGABYTE, 32 * MEGABYTE
BATCH_ENTRIES = 1_000
INTERVAL_SECONDS, TIMEOUT_SECONDS = 1, 30
LONGEST_TIMEOUT_SECONDS = 600
BATCH_SECONDS = 60.0  # that a batch is tried for, at least: and three times
MOST_SERVERS = 10


class FluentdHandler:
    """Entries wait in the kit's queue for the forwarder. `writers` are by the full names of instances."""

    def __init__(
        self,
        writers: Mapping[str, EntryWriter],
        forwarder: Forwarder,
        settings: DeliverySettings,
        environment: Environment,
    ) -> None:
        self._writers = writers
        self._forwarder = forwarder
        self._environment = environment
        self._waiting = environment.deliver(forwarder.send, settings, size=entry_size)

    def report(self, batches: Sequence[ReportBatch]) -> None:
        """Raises ValueError when entries had to be dropped, or rows were none that fit; the others are sent."""
        wrong: list[str] = []
        entries = list(self._entries(batches, wrong))
        misfits = len(wrong)
        dropped = self._waiting.offer(entries)
        if dropped:
            wrong.append(f"fluentd instance buffer full; dropping log entry ({dropped} of them)")  # 1.4's words
        if misfits:
            self._environment.dropped("misfit", misfits)
        if wrong:
            raise ValueError("; ".join(dict.fromkeys(wrong)))

    def _entries(self, batches: Sequence[ReportBatch], wrong: list[str]) -> Iterator[Entry]:
        """The entries to send; what is wrong with the other rows goes to `wrong`."""
        for batch in batches:
            writer = self._writers.get(batch.instance.name)
            if writer is None:
                continue
            for row in batch.rows:
                try:
                    yield writer.entry(row)
                except ValueError as error:
                    wrong.append(str(error))

    async def close(self) -> None:
        await self._forwarder.close()


class Fluentd:
    """The adapter."""

    name: ClassVar[str] = "fluentd"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((LOG_ENTRY.name,))

    def defaults(self) -> Message:
        return Params(
            address=ADDRESS,
            instance_buffer_size=BUFFER,
            max_batch_size_bytes=BATCH_BYTES,
            push_interval_duration=Duration(seconds=INTERVAL_SECONDS),
            push_timeout_duration=Duration(seconds=TIMEOUT_SECONDS),
            require_ack_response=True,
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        yield from _wrong_servers(params)
        yield from _wrong_limits(params)
        yield from _wrong_security(params)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> FluentdHandler:
        most = params.max_batch_size_bytes or BATCH_BYTES
        writers = {
            spec.name: EntryWriter(spec, integer_duration=params.integer_duration, most_bytes=most)
            for spec in instances
        }
        forwarder = Forwarder(_link(params, environment), environment.in_thread)
        return FluentdHandler(writers, forwarder, _delivery(params, most), environment)


def _link(params: Any, environment: Environment) -> LinkSettings:
    """Raises SecretError, a ValueError, for files that may not be named."""
    tls = params.tls
    key_file = str(environment.secret(tls.key_file).path) if tls.key_file else ""
    return LinkSettings(
        servers=tuple(server_of(text) for text in (params.address, *params.standby_addresses)),
        try_seconds=_seconds(params.push_timeout_duration) or TIMEOUT_SECONDS,
        acknowledged=params.require_ack_response,
        compressed=params.compression == Params.GZIP,
        hostname=params.self_hostname or socket.gethostname(),
        tls=TlsFiles(tls.ca_file, tls.certificate_file, key_file, tls.server_name) if params.HasField("tls") else None,
        shared_key=environment.secret(params.shared_key_file) if params.shared_key_file else None,
        username=params.username,
        password=environment.secret(params.password_file) if params.password_file else None,
    )


def _delivery(params: Any, most_bytes: int) -> DeliverySettings:
    waiting = params.instance_buffer_size or BUFFER
    timeout = _seconds(params.push_timeout_duration) or TIMEOUT_SECONDS
    return DeliverySettings(
        most_waiting=waiting,
        most_waiting_bytes=LARGEST_BATCH_BYTES,
        batch_entries=min(BATCH_ENTRIES, waiting),
        batch_bytes=most_bytes,
        batch_seconds=_seconds(params.push_interval_duration),
        # The forwarder keeps the time itself, for it knows what was acknowledged.
        retry=RetrySettings(send_seconds=timeout + 10, batch_seconds=max(BATCH_SECONDS, 3 * timeout)),
    )


def _wrong_servers(params: Any) -> Iterable[Fault]:
    given = [("address", params.address)]
    given += [(f"standbyAddresses[{number}]", text) for number, text in enumerate(params.standby_addresses)]
    for name, text in given:
        try:
            server_of(text)
        except ValueError:
            shown = f"{text[:100]!r} is no address: host:port, such as fluentd.logging:24224."
            yield Fault(f"{PARAMS}.{name}", shown)
    if len(params.standby_addresses) > MOST_SERVERS:
        yield Fault(f"{PARAMS}.standbyAddresses", f"there may be at most {MOST_SERVERS}.")


def _wrong_limits(params: Any) -> Iterable[Fault]:
    if not 0 <= params.instance_buffer_size <= LARGEST_BUFFER:
        text = f"so many entries may wait: 1 to {LARGEST_BUFFER}, and not {params.instance_buffer_size}; 0 is {BUFFER}."
        yield Fault(f"{PARAMS}.instanceBufferSize", text)
    if not 0 <= params.max_batch_size_bytes <= LARGEST_BATCH_BYTES:
        text = (
            f"a batch has 1 to {LARGEST_BATCH_BYTES} bytes, and not {params.max_batch_size_bytes}; 0 is {BATCH_BYTES}."
        )
        yield Fault(f"{PARAMS}.maxBatchSizeBytes", text)
    if _seconds(params.push_interval_duration) < 0:
        yield Fault(f"{PARAMS}.pushIntervalDuration", "the time that entries wait for others must not be negative.")
    if not 0 <= _seconds(params.push_timeout_duration) <= LONGEST_TIMEOUT_SECONDS:
        text = f"a try may take up to {LONGEST_TIMEOUT_SECONDS} s; 0 is {TIMEOUT_SECONDS} s."
        yield Fault(f"{PARAMS}.pushTimeoutDuration", text)
    if params.compression not in Params.Compression.values():
        yield Fault(f"{PARAMS}.compression", "it is NONE or GZIP.")


def _wrong_security(params: Any) -> Iterable[Fault]:
    if bool(params.username) is not bool(params.password_file):
        yield Fault(f"{PARAMS}.passwordFile", "username and passwordFile belong together: give both, or none.")
    if params.username and not params.shared_key_file:
        yield Fault(f"{PARAMS}.sharedKeyFile", "a user is told in the handshake, which needs a shared key.")
    if bool(params.tls.certificate_file) is not bool(params.tls.key_file):
        yield Fault(f"{PARAMS}.tls.keyFile", "certificateFile and keyFile belong together: give both, or none.")


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / NANOSECONDS)
