"""Configurations that differ from one to the next, each valid: for tests and measurements of change."""

from __future__ import annotations

FIXED = """\
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: page, namespace: default}
spec:
  compiledAdapter: prometheus
  params:
    metrics:
    - {name: calls_total, instance_name: calls.instance.default, kind: COUNTER, label_names: [path]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: calls, namespace: default}
spec: {compiledTemplate: metric, params: {value: '1', dimensions: {path: 'request.path | "unknown"'}}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: tell, namespace: default}
spec: {actions: [{handler: page, instances: [calls]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: version, namespace: default}
spec: {compiledTemplate: listentry, params: {value: 'source.labels["version"] | "v1"'}}
"""
CHANGED = """\
---
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: listed, namespace: default}
spec: {compiledAdapter: listchecker, params: {overrides: ["v1", "number NUMBER"], blacklist: false}}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: ask, namespace: default}
spec:
  match: request.path != "/NUMBER"
  actions: [{handler: listed, instances: [version]}]
"""
RULE = """\
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: ruleNUMBER, namespace: default}
spec:
  match: request.path == "/of/NUMBER"
  actions: [{handler: listed, instances: [version]}]
"""


def difference(number: int) -> str:
    """Those objects of `changed(number)` that are other than in any other number."""
    return CHANGED.replace("NUMBER", str(number))


def changed(number: int, rules: int = 0) -> str:
    """The configuration of this number: its handler is another than that of any other number, and lets version v1 pass.
    `rules` stand beside it that never change.
    """
    text = FIXED + difference(number)
    return text + "".join(RULE.replace("NUMBER", str(each)) for each in range(rules))
