"""FluentClient of the npm package @fluent-org/logger, as a process: sends what a test gives it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flotilla_mixer.testing.fluentd_entries import NANOSECONDS, FluentdEntry
from flotilla_mixer.testing.fluentd_server import fluent_package

LONGEST_SECONDS = 100
PROGRAM = """\
const fs = require("fs");
const [folder, file] = process.argv.slice(2);
const {FluentClient, EventTime} = require(folder);
const {options, entries, repeat, gather} = JSON.parse(fs.readFileSync(file));
const rows = entries.map(([tag, [seconds, nanos], record]) => [tag, new EventTime(seconds, nanos), record]);
const client = new FluentClient(null, {...options, disableAutoconnect: true, ack: {ackTimeout: 20000}});
const send = async () => {
  await client.connect();
  const begin = process.cpuUsage();
  let sent = [];
  for (let round = 0; round < repeat; round++) {
    for (const [tag, time, record] of rows) {
      sent.push(client.emit(tag, record, time));
      if (sent.length >= gather) {
        await Promise.all(sent);
        sent = [];
      }
    }
  }
  await Promise.all(sent);
  const used = process.cpuUsage(begin);
  await client.disconnect();
  console.log(JSON.stringify(used));
};
send().catch((error) => { console.error(error); process.exit(1); });
"""


def send_by_fluent_client(
    folder: Path,
    port: int,
    entries: Sequence[FluentdEntry],
    mode: str = "PackedForward",
    security: dict[str, str] | None = None,
    *,
    repeat: int = 1,
    gather: int = 1000,
) -> float:
    """Returns when the server has acknowledged all; gives the microseconds of CPU that it took, without the start of node.

    `repeat` sends them so many times; `gather` is how many may wait for their acknowledgement. RuntimeError with its words.
    """
    rows = [(each.tag, divmod(each.moment, NANOSECONDS), each.record) for each in entries]
    options: dict[str, Any] = {"eventMode": mode, "socket": {"host": "127.0.0.1", "port": port, "timeout": 20000}}
    if security:
        options["security"] = security
    program, file = folder / "client.js", folder / "client.json"
    program.write_text(PROGRAM)
    file.write_text(json.dumps({"options": options, "entries": rows, "repeat": repeat, "gather": gather}))
    node = ["node", str(program), str(fluent_package()), str(file)]
    done = subprocess.run(node, capture_output=True, text=True, timeout=LONGEST_SECONDS)  # noqa: S603
    if done.returncode:
        raise RuntimeError(done.stderr)
    used = json.loads(done.stdout)
    return float(used["user"] + used["system"])
