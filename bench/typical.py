"""What a proxy of Istio 1.4 sends, and the configuration that 1.4 came with: of the vectors, or else the example's.

A Check has 41 attributes and an entry of a report 47, of 32 requests that make 16 label sets, as Istio's Mixer was
measured.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from flotilla_cli.example import example_directory
from flotilla_mixer.offline.typed_values import value_of
from flotilla_mixer.testing.native import NativeClient

REQUESTS, LABEL_SETS, ENTRIES = 32, 16, 100
FIXTURES = Path(os.environ.get("FLOTILLA_VECTORS", "../shared/vectors")) / "1.4" / "fixtures"
CLIENT = NativeClient(222)


def there() -> bool:
    """Whether the vectors are."""
    return FIXTURES.is_dir()


def configuration(name: str = "default") -> str:
    """One of 1.4's configurations as YAML: `default`, `default-without-kubernetesenv` or `attributes-only`."""
    if there():
        return (FIXTURES / "mixer-config" / f"{name}.yaml").read_text()
    return "\n---\n".join(file.read_text() for file in sorted((example_directory() / "config").glob("*.yaml")))


def request_bags() -> list[dict[str, object]]:
    """What is known of each request before it is answered."""
    return [{name: value for name, value in bag.items() if not name.startswith("response.")} for bag in report_bags()]


def report_bags() -> list[dict[str, object]]:
    given = json.loads((FIXTURES / "typical_attributes.json").read_text())["http"]
    typical = {name: value_of(each) for name, each in given.items()}
    return [
        typical
        | {
            "request.path": f"/reviews/{number}",
            "request.id": f"28f0304c-c1fe-4a9d-b291-7c9c32e2b5{number:02x}",
            "source.workload.name": f"productpage-v{number % LABEL_SETS}",
        }
        for number in range(REQUESTS)
    ]


def check_messages() -> list[bytes]:
    return [CLIENT.check_request(bag, identifier="x").SerializeToString() for bag in request_bags()]


def report_messages() -> list[bytes]:
    """Eight reports; each begins with another request."""
    bags = report_bags()
    return [
        CLIENT.report_request([bags[(first + place) % REQUESTS] for place in range(ENTRIES)]).SerializeToString()
        for first in range(8)
    ]
