"""A collector's three services, by gRPC on loopback. A call counts when its log record, its span and its point are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.otlp_server import OtlpServer
from flotilla_mixer.testing.outages.served import Served
from telemetry_backends.telling import Backend, tell


class Collector(OtlpServer):
    def told(self) -> dict[str, int]:
        """The least of what the three signals say, by destination."""
        records = Counter(_values(each)["destination"] for each in self._found("resource_logs", "log_records"))
        spans = Counter(each.name for each in self._found("resource_spans", "spans"))
        newest = {}  # of a cumulative sum
        for metric in self._found("resource_metrics", "metrics"):
            for point in metric.sum.data_points if metric.name == "bookinfo.calls" else ():
                labels = _values(point)
                newest[tuple(sorted(labels.items()))] = (labels["destination"], int(point.as_int or point.as_double))
        points: Counter[str] = Counter()
        for destination, value in newest.values():
            points[destination] += value
        return dict(records & spans & points)

    def _found(self, resources: str, items: str) -> Iterator[Any]:
        scopes = resources.replace("resource", "scope")
        for taken in self.receiver.requests:
            for resource in getattr(taken.message, resources, ()):
                for scope in getattr(resource, scopes):
                    yield from getattr(scope, items)


def _values(item: Any) -> dict[str, str]:
    return {each.key: each.value.string_value or str(each.value.int_value) for each in item.attributes}


class Otlp(Backend):
    def __init__(self, folder: Path, mixer: str) -> None:
        super().__init__(folder, mixer)
        self._served = Served("telemetry_backends.otlp:Collector")

    def start(self) -> None:
        self._served.ask("start")

    def stop(self) -> None:
        self._served.close()

    def params(self) -> Mapping[str, Any]:
        return {"endpoint": self._served.ask("endpoint")}

    def calls(self) -> Mapping[str, int]:
        found: dict[str, int] = self._served.ask("told")
        return found


if __name__ == "__main__":
    tell(Otlp)
