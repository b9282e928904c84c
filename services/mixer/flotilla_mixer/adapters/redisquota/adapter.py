"""The redisquota adapter: parameters to links (mixer.md 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from flotilla_mixer.adapters.redisquota.faults import faults
from flotilla_mixer.adapters.redisquota.settings import CONNECTIONS, SharedRedis
from flotilla_mixer.kit.adapter import Environment, Fault
from flotilla_mixer.kit.secrets import SecretFile
from flotilla_mixer.templates.catalogue import QUOTA
from flotilla_mixer.templates.template import InstanceSpec
from flotilla_protos.istio.mixer.adapter.redisquota.config.config_pb2 import Params

if TYPE_CHECKING:
    from flotilla_mixer.adapters.redisquota.handler import RedisquotaHandler


class Redisquota:
    """The adapter. `now` gives microseconds; without it Redis's own clock counts, which all Mixers share.

    `shared` is set by Mixer before there is any configuration.
    """

    name: ClassVar[str] = "redisquota"
    folder: ClassVar[Path] = Path(__file__).parent
    templates: ClassVar[frozenset[str]] = frozenset((QUOTA.name,))

    def __init__(self, now: Callable[[], int] | None = None) -> None:
        self.shared = SharedRedis()
        self._now = now

    def defaults(self) -> Message:
        return Params(
            redis_server_url=self.shared.address or "localhost:6379",
            connection_pool_size=CONNECTIONS,
            timeout=Duration(nanos=500_000_000),
            connect_timeout=Duration(seconds=2),
            max_waiting=10_000,
            key_prefix="flotilla",
            max_deduplication_duration=Duration(seconds=60),
        )

    def validate(self, params: Any, instances: Sequence[InstanceSpec]) -> Iterable[Fault]:
        usual: Any = self.defaults()
        return faults(params, instances, usual.redis_server_url)

    def build(self, params: Any, instances: Sequence[InstanceSpec], environment: Environment) -> RedisquotaHandler:
        # Redis's client takes 6 MB and 50 ms, which a Mixer without such a handler need not have.
        from flotilla_mixer.adapters.redisquota.handler import RedisquotaHandler

        lent = self.shared.login(params)
        password = SecretFile(lent.password_file) if lent is not params and lent.password_file else None
        return RedisquotaHandler(lent, instances, environment, self._now, password)
