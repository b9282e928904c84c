"""What Redis says in place of what was asked, and what to make of it."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Connection
from redis.exceptions import AuthenticationError, MasterDownError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from flotilla_mixer.kit.counters import TIMEOUT, UNREACHABLE

# Causes, beside the kit's: Redis says no; a file cannot be read; too few replicas have what was granted.
REFUSAL, SETTINGS, REPLICAS = "refused", "settings", "replicas"

Reply = Any


async def reply_of(connection: Connection) -> Reply:
    """What Redis says to one command: its error is a reply, too. A Redis that loads its data ends the connection."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def is_elsewhere(error: BaseException) -> bool:
    """Whether a Redis says that it is no place to count, which another connection may not meet. Before Redis 7 a script
    says so in the middle of its own error.
    """
    return isinstance(error, (ReadOnlyError, MasterDownError)) or (
        isinstance(error, ResponseError) and " -READONLY " in str(error)
    )


def cause_of(error: BaseException) -> str:
    """The word by which it is counted."""
    if isinstance(error, (TimeoutError, RedisTimeoutError)):
        return TIMEOUT
    if isinstance(error, OSError):
        return UNREACHABLE
    # A wrong password, or another thing to which a Redis that is there says no.
    refused = isinstance(error, (ResponseError, AuthenticationError))
    return REFUSAL if refused else SETTINGS if isinstance(error, ValueError) else UNREACHABLE
