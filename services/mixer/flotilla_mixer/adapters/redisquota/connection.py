"""From parameters to a connection that says who it is: to any Redis, and to a Sentinel."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import TLSVersion
from typing import Any

from redis.asyncio import Connection, SSLConnection

from flotilla_mixer.adapters.redisquota.settings import Address, seconds
from flotilla_mixer.kit.secrets import SecretFile

CLIENT = "flotilla-mixer"


class NamedSSLConnection(SSLConnection):
    """TLS to a server whose certificate has another name than its address."""

    server_name = ""

    def _connection_arguments(self) -> Any:
        arguments = super()._connection_arguments()
        return {**arguments, "server_hostname": self.server_name} if self.server_name else arguments


@dataclass(frozen=True, slots=True)
class Door:
    """What every connection to servers of one kind has in common. `tls` is None where there is none."""

    password: SecretFile | None
    username: str
    tls: Any
    connect_seconds: float
    database: int = 0

    async def open(self, address: Address) -> Connection:
        """Raises SecretError, OSError or RedisError."""
        connection = self.connection(address)
        try:
            await connection.connect()  # type: ignore[no-untyped-call]  # the library's
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    def connection(self, address: Address) -> Connection:
        """One that is not opened yet. The password is read now, so that a new one counts from the next connection on.

        Raises SecretError where there is none.
        """
        host, port = address
        arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "db": self.database,
            "username": self.username or None,
            "password": self.password.read() if self.password is not None else None,
            "socket_timeout": None,  # whoever asks keeps the time
            "socket_connect_timeout": self.connect_seconds,
            "client_name": CLIENT,
            "driver_info": None,
            "protocol": 2,
        }
        if self.tls is None:
            return Connection(**arguments)
        connection = NamedSSLConnection(
            ssl_ca_certs=self.tls.ca_file or None,
            ssl_certfile=self.tls.certificate_file or None,
            ssl_keyfile=self.tls.key_file or None,
            ssl_min_version=TLSVersion.TLSv1_2,
            **arguments,
        )
        connection.server_name = self.tls.server_name
        return connection


def door_to_redis(params: Any, password: SecretFile | None) -> Door:
    """To each server that counts."""
    return Door(password, params.username, _tls(params), seconds(params.connect_timeout), params.database)


def door_to_sentinels(params: Any, password: SecretFile | None) -> Door:
    sentinel = params.sentinel
    return Door(password, sentinel.username, _tls(sentinel), seconds(params.connect_timeout))


def _tls(message: Any) -> Any:
    return message.tls if message.HasField("tls") else None
