"""Write the Python code of every .proto in this folder, beside it: `make protos`."""

from __future__ import annotations

import keyword
import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def sources() -> list[Path]:
    return sorted((HERE / "flotilla_protos").rglob("*.proto"))


def clear() -> None:
    for pattern in GENERATED:
        for stale in (HERE / "flotilla_protos").rglob(pattern):
            stale.unlink()


def compile_all(files: list[Path]) -> int:
    wellknown = resources.files("grpc_tools") / "_proto"
    google = Path(_google_apis())
    names = [str(file.relative_to(HERE)) for file in files]
    served = [name for name, file in zip(names, files, strict=True) if "\nservice " in file.read_text()]
    include = [f"-I{HERE}", f"-I{wellknown}", f"-I{google}"]
    messages = protoc.main(["protoc", *include, f"--python_out={HERE}", f"--pyi_out={HERE}", *names])
    leave_out_keywords()
    return messages or protoc.main(["protoc", *include, f"--grpc_python_out={HERE}", *served])


def leave_out_keywords() -> None:
    """Names such as None, which protoc writes into stubs as they are: no checker can read a stub with them."""
    for stub in (HERE / "flotilla_protos").rglob("*_pb2.pyi"):
        lines = stub.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not keyword.iskeyword(line.strip().partition(":")[0])]
        if kept != lines:
            stub.write_text("".join(kept))


def _google_apis() -> Path:
    """The folder that holds google/rpc/status.proto: googleapis-common-protos ships its sources."""
    from google.rpc import status_pb2

    return Path(status_pb2.__file__).parents[2]


if __name__ == "__main__":
    clear()
    sys.exit(compile_all(sources()))
