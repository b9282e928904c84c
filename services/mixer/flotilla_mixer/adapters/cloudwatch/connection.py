"""CloudWatch's clients of one handler. boto3 blocks, and is loaded when it is first needed: everything here but `end` runs
in the handler's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from traceback import clear_frames
from typing import Any, TypeVar

from flotilla_mixer.adapters.cloudwatch.settings import CloudSettings

Result = TypeVar("Result")
METRICS, LOGS = "cloudwatch", "logs"
EXPIRED_TOKEN = "expired_token"  # noqa: S105  # a cause
COMPRESSED_FROM = 1024  # bytes


class Connection:
    """One client for metrics and one for logs, each with one connection that stays open.

    They are made anew when files of the SDK have changed or a token has run out. The SDK tries nothing again: the kit does.
    """

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._ended = False
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._files: tuple[Any, ...] = ()
        self._seen: tuple[Any, ...] = ()

    def put_metrics(self, namespace: str, datums: Sequence[Mapping[str, Any]]) -> None:
        """Raises SendError."""
        self._ask(METRICS, lambda client: client.put_metric_data(Namespace=namespace, MetricData=datums))

    def put_events(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
        """Gives the answer's rejectedLogEventsInfo. Raises SendError."""
        answer = self._ask(
            LOGS, lambda client: client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        )
        found: Mapping[str, int] = answer.get("rejectedLogEventsInfo", {})
        return found

    def create(self, group: str, stream: str, *, with_group: bool, retention_days: int) -> None:
        """The stream, and the group where it may; a new group keeps its events for so many days (0: for ever). What is
        there already is left as it is. Raises SendError.
        """
        if with_group and self._create(lambda client: client.create_log_group(logGroupName=group)) and retention_days:
            self._ask(
                LOGS, lambda client: client.put_retention_policy(logGroupName=group, retentionInDays=retention_days)
            )
        self._create(lambda client: client.create_log_stream(logGroupName=group, logStreamName=stream))

    def end(self) -> None:
        """Close it, for good; safe twice. It does not wait: a call that is under way ends by itself, and closes what it
        used.
        """
        self._ended = True
        self._close()

    def _close(self) -> None:
        clients, self._clients, self._session = self._clients, {}, None
        for client in clients.values():
            client.close()

    def _create(self, call: Callable[[Any], Any]) -> bool:
        """False where it is there already."""
        client = self._client(LOGS)
        try:
            self._ask(LOGS, call)
        except Exception as error:
            if isinstance(error.__cause__, client.exceptions.ResourceAlreadyExistsException):
                return False
            raise
        return True

    def _ask(self, service: str, call: Callable[[Any], Any]) -> Any:
        try:
            return call(self._client(service))
        except Exception as error:
            raise self._told(error) from error
        finally:
            if self._ended:
                self._close()

    def _told(self, error: Exception) -> Exception:
        from flotilla_mixer.adapters.cloudwatch.answers import as_send_error

        _let_go(error)
        found = as_send_error(error)
        if found.cause == EXPIRED_TOKEN:
            self._close()
        return found

    def _client(self, service: str) -> Any:
        """Of now: with the files and the token that there are."""
        from flotilla_mixer.adapters.cloudwatch.credentials import states

        if self._session is not None and states(self._files) != self._seen:
            self._close()
        if self._session is None:
            self._begin()
        found = self._clients.get(service)
        if found is None:
            endpoint = {METRICS: self._settings.metrics_endpoint, LOGS: self._settings.logs_endpoint}[service]
            found = self._session.client(service, config=self._config(), endpoint_url=endpoint or None)
            self._clients[service] = found
        return found

    def _begin(self) -> None:
        from flotilla_mixer.adapters.cloudwatch.credentials import new_session, sdk_files, states

        self._session = new_session(self._settings, self._config())
        self._files = sdk_files(self._session)
        self._seen = states(self._files)

    def _config(self) -> Any:
        from botocore.config import Config

        return Config(
            connect_timeout=self._settings.timeout,
            read_timeout=self._settings.timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=1,
            parameter_validation=False,  # what is sent was held against the same limits before
            tcp_keepalive=True,
            request_min_compression_size_bytes=COMPRESSED_FROM,
            user_agent_extra="flotilla-mixer",
        )


def _let_go(error: BaseException | None) -> None:
    """Frames of the SDK hold the error that holds them, and connections with it: those would be closed by the next
    collection of garbage only.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__
