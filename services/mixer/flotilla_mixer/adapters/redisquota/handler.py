"""Calls of quotas to commands of Redis, and its replies to grants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import hiredis
from redis.exceptions import ResponseError

from flotilla_mixer.adapters.redisquota.limits import LARGEST, MICROSECONDS, Limit, Limits, microseconds
from flotilla_mixer.adapters.redisquota.reach import Asking
from flotilla_mixer.adapters.redisquota.replicas import Replicas
from flotilla_mixer.adapters.redisquota.replies import REFUSAL, Reply
from flotilla_mixer.adapters.redisquota.settings import CONNECTIONS, seconds
from flotilla_mixer.adapters.redisquota.waiting import Asked, Waiting
from flotilla_mixer.kit.adapter import Environment, QuotaCall
from flotilla_mixer.kit.counters import FAULT, FULL, UNREACHABLE
from flotilla_mixer.kit.results import NO_OPINION, QuotaResult, Room
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params

SCRIPT = (Path(__file__).parent / "quota.lua").read_text()
DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest().encode()
IDENTIFIER_LENGTH = 128  # bytes; longer ones are given by their digest

GRANT_SECONDS = 1.0  # how long a grant holds that nobody counted

EXHAUSTED = QuotaResult(0, 0.0, 8, "redisquota: Resource exhausted")
UNAVAILABLE = QuotaResult(0, 0.0, 14, "redisquota: Service Unavailable")
MALFORMED = QuotaResult(0, 0.0, 13, "redisquota: Internal Error")
REFUSED = QuotaResult(0, 0.0, 8, "redisquota: Service Unavailable")


class RedisquotaHandler:
    """Counts in Redis. `now` is the time that the script takes in place of Redis's own, in microseconds: for tests.
    `lent` is the password of Mixer's own Redis, in a file that handlers may not name. It begins to connect when it is made.
    """

    def __init__(
        self,
        params: Any,
        instances: Sequence[InstanceSpec],
        environment: Environment,
        now: Callable[[], int] | None = None,
        lent: SecretFile | None = None,
    ) -> None:
        self._environment = environment
        self._when_away = params.when_away
        self._longest = b"%d" % microseconds(params.max_deduplication_duration)
        self._now = now
        self._limits = _limits(params, instances)
        self.waiting = Waiting(params.max_waiting, seconds(params.timeout), self.without)
        password = lent
        if password is None and params.password_file:
            password = environment.secret(params.password_file)
        if params.tls.key_file:
            environment.secret(params.tls.key_file)  # whether it may be read; Redis's client reads it
        number = params.connection_pool_size or CONNECTIONS
        replicas = Replicas(params.wait_for_replicas, seconds(params.timeout) / 2)
        asking = Asking(self.waiting, environment, SCRIPT, self._take, self._without_identifier, number, replicas)
        self.links: Any = asking.reach(params, password)
        self._closed = False

    def quota(self, calls: Sequence[QuotaCall]) -> None:
        for call in calls:
            if not call.amount and not call.tells:
                call.answer(NO_OPINION)
            elif self._closed or self.links.away:
                call.answer(self.without(call, UNREACHABLE))
            else:
                self._ask(call)

    def _ask(self, call: QuotaCall) -> None:
        try:
            limit = self._limits[call.instance.name].find(call.row[0])
        except ValueError as error:  # dimensions that are not those of the instance
            call.fail(f"a quota cannot be counted: {error}")
            return
        asked = self.waiting.add(call, self._command(call, limit, call.deduplication_id), limit.slot)
        if asked is None:
            self._environment.complain(FULL, "too many calls wait for redis")
            call.answer(self.without(call, FULL))
        else:
            self.links.put(asked)

    def close(self) -> None:
        self._closed = True
        self.waiting.close()

    def without(self, call: QuotaCall, cause: str) -> QuotaResult:
        """The answer that needs no Redis, as the handler's parameters choose it; counted by `cause`."""
        self._environment.dropped(cause)
        if self._when_away == Params.GRANT and call.amount > 0:
            return QuotaResult(call.amount, GRANT_SECONDS)
        return REFUSED if self._when_away == Params.REFUSE else UNAVAILABLE

    def _without_identifier(self, call: QuotaCall) -> bytes:
        """The command that counts the call as one that was never asked before."""
        return self._command(call, self._limits[call.instance.name].find(call.row[0]), "")

    def _command(self, call: QuotaCall, limit: Limit, identifier: str) -> bytes:
        keys: tuple[bytes, ...] = (limit.counter,)
        if identifier:
            keys += (_seen(limit.counter, identifier),)
        amount = max(-LARGEST, min(call.amount, LARGEST))
        command: Any = (
            b"EVALSHA",
            DIGEST,
            len(keys),
            *keys,
            *limit.arguments,
            amount,
            b"1" if call.best_effort else b"0",
            self._longest,
            b"" if self._now is None else self._now(),
        )
        packed: bytes = hiredis.pack_command(command)
        return packed

    def _take(self, asked: Asked, reply: Reply) -> None:
        self.waiting.answer(asked, self._result(asked.call, reply))

    def _result(self, call: QuotaCall, reply: Reply) -> QuotaResult:
        match reply:
            case [int(amount), int(holds), *room]:
                result = QuotaResult(amount, holds / MICROSECONDS) if amount or not call.amount else EXHAUSTED
                return self._told(call, result, room) if call.tells else result
            case ResponseError():
                self._environment.complain(REFUSAL, "redis refuses to count", error=str(reply))
                return self.without(call, REFUSAL)
        self._environment.complain(FAULT, "redis answers what the script never does", reply=repr(reply)[:100])
        return MALFORMED

    def _told(self, call: QuotaCall, result: QuotaResult, room: Sequence[object]) -> QuotaResult:
        match room:
            case [int(left), int(resets)]:
                _, limit, window, _ = self._limits[call.instance.name].find(call.row[0]).arguments
                told = Room(int(limit), left, int(window) / MICROSECONDS, resets / MICROSECONDS)
                return replace(result, room=told)
        return result


def _limits(params: Any, instances: Sequence[InstanceSpec]) -> Mapping[str, Limits]:
    quotas = {quota.name: quota for quota in params.quotas}
    return {each.name: Limits(quotas[each.name], each, params.key_prefix) for each in instances if each.name in quotas}


def _seen(counter: bytes, identifier: str) -> bytes:
    """The key of what an identifier was granted, in the slot of its counter."""
    text = identifier.encode(errors="replace")
    if len(text) > IDENTIFIER_LENGTH:
        text = hashlib.blake2b(text, digest_size=16).hexdigest().encode()
    return counter + b":" + text
