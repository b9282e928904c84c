"""An adapter of somebody else: that of the how-to, built, installed and tested as its page says, then used by a whole Mixer."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest
from fastapi import FastAPI, Request
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from flotilla_mixer.configuration.params import ParamsError, read_params
from flotilla_mixer.kit.params import params_message
from flotilla_mixer.testing.running import Running
from flotilla_shared.runtime.http import HttpServer

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "write-an-adapter.md"
BLOCK = re.compile(r"^`([\w./]+)`[^\n]*:\n\n(`{3,4})\w+\n(.*?)^\2$", re.M | re.S)
LONGEST_ADAPTER = 40  # lines that are not empty


def files() -> dict[str, str]:
    """The files of the page, by name."""
    found = {name: text for name, _, text in BLOCK.findall(PAGE.read_text())}
    test = re.search(r"`test_webhook.py`.*?```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert test is not None
    return found | {"test_webhook.py": test[1], "acme_webhook/__init__.py": ""}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the distribution is installed into."""
    source, target = tmp_path_factory.mktemp("webhook"), tmp_path_factory.mktemp("site")
    for name, text in files().items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    done = subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--target", str(target), str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (target / "test_webhook.py").write_text(files()["test_webhook.py"])
    return target


@pytest.fixture
def importable(installed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(installed))
    yield
    for name in [each for each in sys.modules if each.startswith("acme_webhook")]:
        if name != "acme_webhook.adapter":  # its message is known to protobuf by now, and is made once in a process
            del sys.modules[name]
    importlib.invalidate_caches()


def test_it_is_as_short_as_its_title_says() -> None:
    assert len([line for line in files()["acme_webhook/adapter.py"].splitlines() if line.strip()]) <= LONGEST_ADAPTER


def test_it_passes_the_suite_as_its_author_runs_it(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "test_webhook.py"],
        cwd=installed,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


class WebServer:
    """Takes what is posted; `got` is set by each."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []
        self.tokens: set[str] = set()
        self.got = asyncio.Event()
        self.url = ""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/in")
        async def _in(request: Request) -> None:
            self.lines += [orjson.loads(line) for line in (await request.body()).splitlines()]
            self.tokens.add(request.headers.get("authorization", ""))
            self.got.set()

        return app


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    found = WebServer()
    http = HttpServer(found.app(), "127.0.0.1", 0)
    await http.start()
    found.url = f"http://127.0.0.1:{http.ports[0]}/in"
    yield found
    await http.stop()


def entry(path: str) -> dict[str, object]:
    return {
        "common_properties": {
            "downstream_direct_remote_address": {"socket_address": {"address": "127.0.2.4", "port_value": 1}},
            "upstream_cluster": "inbound|9080||",
        },
        "request": {"path": path, "request_method": "GET", "authority": "ratings:9080"},
        "response": {"response_code": 200},
    }


@pytest.mark.usefixtures("importable")
async def test_a_whole_mixer_uses_it_by_its_entry_point(server: WebServer, running: Running, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame\n")
    example = re.search(r"^```yaml\n(.*?)^```$", files()["acme_webhook/README.md"], re.M | re.S)
    assert example is not None
    params = f'{{url: "{server.url}", tokenFile: {token}}}'
    await running.put(example[1].replace('{url: "https://logs.example.com/in"}', params))
    assert "webhook" in running.mixer.adapters
    assert running.mixer.swap.problems == {}
    await running.report(entry("/ratings/0"), entry("/ratings/1"))
    async with asyncio.timeout(20):
        await server.got.wait()
    assert [(each["path"], each["code"]) for each in server.lines] == [("/ratings/0", "200"), ("/ratings/1", "200")]
    assert server.tokens == {"Bearer sesame"}
    sent = 'mixer_handler_entries_sent_total{handler="hook.handler.default"} 2.0'
    async with asyncio.timeout(20):
        while sent not in running.mixer.service_metrics.render().decode():
            await asyncio.sleep(0.01)


def struct(content: dict[str, object]) -> Struct:
    found = Struct()
    found.update(content)
    return found


def test_parameters_described_in_code_are_read_as_others() -> None:
    inner = params_message("test.kit.Inner", name=str, share=float)
    outer = params_message("test.kit.Outer", size=int, on=bool, wait=Duration, names=[str], inner=inner, many=[inner])
    content = {"size": 3, "on": True, "wait": "1m30s", "names": ["a"], "inner": {"share": 0.5}, "many": [{"name": "x"}]}
    found = read_params(struct(content), outer(size=7, names=["z"]))
    assert (found.size, found.on, found.wait.seconds, list(found.names)) == (3, True, 90, ["a"])
    assert (found.inner.share, found.many[0].name) == (0.5, "x")
    assert read_params(struct({}), outer(size=7)).size == 7
    with pytest.raises(ParamsError, match="colour"):
        read_params(struct({"colour": "red"}), outer())


def test_a_kind_of_field_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"test\.kit\.Odd\.when"):
        params_message("test.kit.Odd", when=bytes)
