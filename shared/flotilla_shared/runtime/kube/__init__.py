"""The Kubernetes API, as far as a control plane needs it: a client, a reflector, and what is built on them.

Needs the extra `kube` of flotilla-mesh-shared (httpx, msgspec). Modules are imported one by one.

connection -> client -> reflector, lease, events, webhook; objects and resources are plain values; admission is the
other direction: the API server calls us.
"""
