{{/*
The NetworkPolicy of a service.
  root      the chart's context
  open      ports that anybody may call: proxies in all namespaces, the API server, scrapers
  closed    list of {port, from}: `from` names the services of this mesh that may call it
  calls     list of {port, to}: services of this mesh that it calls (with global.networkPolicy.egress)
  anywhere  true: it calls what its configuration names, so its egress is not limited
*/}}
{{- define "flotilla.networkPolicy" -}}
{{- $root := .root -}}
{{- $policy := $root.Values.global.networkPolicy -}}
{{- if $policy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "flotilla.name" $root }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flotilla.labels" $root | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "flotilla.selector" $root | nindent 6 }}
  policyTypes:
  - Ingress
  {{- if and $policy.egress (not .anywhere) }}
  - Egress
  {{- end }}
  ingress:
  - ports:
    {{- range append .open 15014 }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- range .closed }}
  - ports:
    - {port: {{ .port }}, protocol: TCP}
    from:
    {{- range .from }}
    - podSelector:
        matchLabels: {istio: {{ . }}}
    {{- end }}
  {{- end }}
  {{- if and $policy.egress (not .anywhere) }}
  egress:
  - ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  - ports:
    {{- range $policy.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- range .calls }}
  - ports:
    - {port: {{ .port }}, protocol: TCP}
    to:
    - podSelector:
        matchLabels: {istio: {{ .to }}}
  {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
