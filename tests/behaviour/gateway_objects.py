"""Gateways and what is behind them, as YAML; `$name` stands for the port of that name."""

from __future__ import annotations


def server(port: str, protocol: str, host: str, tls: str = "") -> str:
    name = f"{protocol.lower()}-{port}-{host}".replace("*", "any")
    secured = f", tls: {{{tls}}}" if tls else ""
    return f'  - {{port: {{number: ${port}, protocol: {protocol}, name: {name}}}, bind: 127.0.0.1, hosts: ["{host}"]{secured}}}\n'


def gateway(name: str, *servers: str, app: str = "gateway") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: default}}
spec:
  selector: {{app: {app}}}
  servers:
{"".join(servers)}"""


def routes(name: str, gateways: str, hosts: str, rules: str) -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: default}}
spec:
  gateways: [{gateways}]
  hosts: [{hosts}]
  {rules}
"""


def service(name: str, number: int, protocol: str, port: str, mode: str = "disabled") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [{name}.example.com]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{{number: {number}, name: main, protocol: {protocol}}}]
  endpoints: [{{address: 127.0.0.1, ports: {{main: ${port}}}, labels: {{security.istio.io/tlsMode: {mode}}}}}]
"""
