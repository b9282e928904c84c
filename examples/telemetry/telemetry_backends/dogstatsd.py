"""StatsD from npm in the place of Datadog's agent: it reads the agent's lines, and tags as part of a name."""

from __future__ import annotations

import re

from telemetry_backends.statsd import Statsd
from telemetry_backends.telling import tell


class Dogstatsd(Statsd):
    CALLS = re.compile(r"bookinfo\.calls;(?:.*;)?destination=(\w+)(?:;.*)?")


if __name__ == "__main__":
    tell(Dogstatsd)
