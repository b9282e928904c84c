"""The versions of reviews-route.yaml that the demo writes."""

from __future__ import annotations

FILE = "reviews-route.yaml"
HEAD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http:
"""
JASON = """\
  - match:
    - headers: {end-user: {exact: jason}}
    route:
    - destination: {host: reviews.default.svc.cluster.local, subset: v2}
"""
HALVES = """\
  - route:
    - destination: {host: reviews.default.svc.cluster.local, subset: v1}
      weight: 50
    - destination: {host: reviews.default.svc.cluster.local, subset: v3}
      weight: 50
"""
WITHOUT_HOST = """\
  - route:
    - destination: {subset: v1}
"""
ALL_V1 = """\
  - route:
    - destination: {host: reviews.default.svc.cluster.local, subset: v1}
"""
SHIFTED = HEAD + JASON + HALVES
INVALID = HEAD + JASON + WITHOUT_HOST
EVERYBODY_V1 = HEAD + ALL_V1
