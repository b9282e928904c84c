"""Says what there is of a cluster."""

from __future__ import annotations

import json

from tests.kube.cluster.control import components, is_whole
from tests.kube.cluster.node import Node
from tests.kube.cluster.process import Running


def print_status(node: Node) -> bool:
    """Whether all is ready."""
    layout = node.layout
    if node.first_process is None:
        print(
            f"cluster {layout.name} is not running"
            + (f"; {layout.folder} is left of it" if layout.folder.exists() else "")
        )
        return False
    print(f"cluster {layout.name} of {node.owner}" + ("" if is_whole(layout) else ": not whole"))
    print(f"kubeconfig {layout.admin}, in the node's network only")
    ready = [_print_component(Running(node, component)) for component in components(node)]
    loaded = json.loads(layout.loaded.read_text()) if layout.loaded.exists() else {}
    print("images: " + (", ".join(sorted(loaded)) or "none"))
    return all(ready) and is_whole(layout)


def _print_component(running: Running) -> bool:
    with running.node.network():
        why = running.component.ready()
    print(f"  {running.component.name:<24} {f'not ready: {why}' if why else f'ready, process {running.pid}'}")
    return not why
