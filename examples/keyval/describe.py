"""Prints the objects `kind: template` and `kind: adapter` of this folder's .proto files.

python describe.py > keyval.yaml
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import google.rpc
import grpc_tools
from grpc_tools import protoc

import flotilla_protos

HERE = Path(__file__).parent
# Where imports are: this project's messages, google/protobuf and google/rpc.
FOLDERS = (
    HERE,
    Path(flotilla_protos.__file__).parents[1],
    Path(grpc_tools.__file__).parent / "_proto",
    Path(next(iter(google.rpc.__path__))).parents[1],
)
OBJECTS = """\
apiVersion: config.istio.io/v1alpha2
kind: template
metadata: {{name: keyval, namespace: istio-system}}
spec:
  descriptor: {template}
---
apiVersion: config.istio.io/v1alpha2
kind: adapter
metadata: {{name: keyval, namespace: istio-system}}
spec:
  description: looks keys up in a table
  session_based: false
  templates: [keyval]
  config: {config}
"""


def descriptor(file: str) -> str:
    """The file and all that it imports, as a FileDescriptorSet in base64."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        paths = [f"-I{each}" for each in FOLDERS]
        if protoc.main(["protoc", *paths, "--include_imports", f"--descriptor_set_out={made}", file]):
            sys.exit(f"{file} cannot be compiled")
        return base64.b64encode(made.read_bytes()).decode()


if __name__ == "__main__":
    print(OBJECTS.format(template=descriptor("template.proto"), config=descriptor("config.proto")), end="")
