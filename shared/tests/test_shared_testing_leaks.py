"""What a test leaves behind fails it, and what is about to end by itself does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLEAN = """
async def test_it():
    await asyncio.sleep(0)
"""
LEAVES_A_TASK = """
async def test_it():
    kept.append(asyncio.create_task(asyncio.sleep(60), name="forgotten"))
"""
# The first test of a run makes what all share, and is not compared; nor is the last, for the end of all.
LEAVES_A_FILE = """
def test_before():
    pass

def test_it():
    kept.append(open(__file__))

def test_next():
    pass
"""
LEAVES_A_THREAD = """
def test_before():
    pass

def test_it():
    kept.append(threading.Event())
    threading.Thread(target=kept[0].wait, name="forgotten").start()

def test_next():
    kept[0].set()
"""
# The answer is gone and the server is stopped, but the call is not done yet.
CALL_THAT_ENDS_LATE = """
class Late(grpc.GenericRpcHandler):
    def __init__(self):
        self.asked = asyncio.Event()

    def service(self, call):
        return grpc.unary_unary_rpc_method_handler(self.answer)

    async def answer(self, request, context):
        self.asked.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep({seconds})

async def test_it():
    server = grpc.aio.server()
    late = Late()
    server.add_generic_rpc_handlers((late,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{{port}}") as channel:
        call = channel.unary_unary("/a/b")(b"")
        await late.asked.wait()
        await server.stop(None)
"""


def run(folder: Path, source: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest on one file of tests, with the plugin alone."""
    file = folder / "test_of_run.py"
    file.write_text(f"import asyncio\nimport threading\n\nimport grpc\n\nkept = []\n{source}")
    plugins = ("-p", "flotilla_shared.testing.leaks", "-p", "no:cacheprovider")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "--rootdir", folder, *plugins, file],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("source", [CLEAN, CALL_THAT_ENDS_LATE.format(seconds=0.05)], ids=["clean", "ends-soon"])
def test_nothing_is_left(tmp_path: Path, source: str) -> None:
    found = run(tmp_path, source)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("source", "named"),
    [
        pytest.param(LEAVES_A_TASK, "task forgotten", id="task"),
        pytest.param(LEAVES_A_FILE, "descriptor", id="file"),
        pytest.param(LEAVES_A_THREAD, "thread forgotten", id="thread"),
        pytest.param(CALL_THAT_ENDS_LATE.format(seconds=60), "HandleExceptions[/a/b]", id="call"),
    ],
)
def test_what_is_left_is_named(tmp_path: Path, source: str, named: str) -> None:
    found = run(tmp_path, source)
    assert found.returncode == 1, found.stdout
    assert "the test leaves behind" in found.stdout
    assert named in found.stdout
