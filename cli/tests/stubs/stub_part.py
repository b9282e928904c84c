"""Small stand-ins for the services and the agent, run as the real ones are: `python -m flotilla_pilot serve
--config F`.

What they do wrong is said by files beside their settings: `<name>.fails` makes one end at once,
`<name>.unready` keeps it from being ready, `<workload>.waits` keeps a workload from joining; the file's
text is the reason.
"""

import json
import os
import signal
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import yaml


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    part: "Part"

    def do_GET(self) -> None:
        self.answer(*self.part.get(self.path))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.answer(*self.part.post(body))

    def do_DELETE(self) -> None:
        self.answer(*self.part.delete(self.path.rpartition("/")[2]))

    def answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, *arguments: object) -> None:
        pass


class TcpServer(HTTPServer):
    def server_bind(self) -> None:  # without the name look-up of HTTPServer
        socketserver.TCPServer.server_bind(self)


class UnixServer(socketserver.UnixStreamServer):
    pass


class Part:
    def __init__(self, name: str, file: Path) -> None:
        self.name, self.folder = name, file.parent
        self.settings = yaml.safe_load(file.read_text())
        workloads = self.settings.get("workloads", [])
        self.workloads = {workload["name"]: workload for workload in workloads}

    def flaw(self, name: str) -> str | None:
        file = self.folder / name
        return file.read_text() if file.exists() else None

    def get(self, path: str) -> tuple[int, object]:
        if path == "/workloads":
            return 200, [self.workload(name) for name in self.workloads]
        if path == "/readyz":
            reason = self.flaw(f"{self.name}.unready")
            return (
                (503, {"ready": False, "conditions": {"galley": reason, "certificate": "met"}}) if reason else (200, {})
            )
        if path == "/debug/syncz":
            return 200, []
        return 200, {"objects": [], "documents": []}

    def workload(self, name: str) -> dict[str, object]:
        reason = self.flaw(f"{name}.waits")
        state = "waiting-for-certificate" if reason else "ready"
        certificate = {"spiffe": "", "not_after": None, "serial": "", "last_error": ""}
        return {
            "name": name,
            "state": state,
            "reason": reason or "",
            "certificate": certificate,
            "envoy": {"pid": 7},
        }

    def post(self, body: dict[str, object]) -> tuple[int, object]:
        self.workloads[str(body["name"])] = body
        return 201, {}

    def delete(self, name: str) -> tuple[int, object]:
        return (200, {}) if self.workloads.pop(name, None) else (404, {"detail": "unknown"})

    def serve(self) -> None:
        handler = type("Handler", (Answering,), {"part": self})
        if self.name == "agent":
            with UnixServer(self.settings["control_socket"], handler) as server:
                server.serve_forever(0.05)
        TcpServer((self.settings["address"], 15014), handler).serve_forever(0.05)


def main(name: str) -> None:
    part = Part(name, Path(sys.argv[sys.argv.index("--config") + 1]))
    with (part.folder / "order").open("a") as order:
        order.write(f"{name} {os.getpid()}\n")
    if reason := part.flaw(f"{name}.fails"):
        print(json.dumps({"event": reason, "level": "error"}), flush=True)
        sys.exit(3)
    Path(part.settings.get("control_socket", part.folder / "none")).unlink(missing_ok=True)
    if name == "citadel":
        Path(part.settings["publish_root_file"]).write_text("root")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("serving", flush=True)
    part.serve()
