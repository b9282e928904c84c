{{/* What an agent is told in a workload's pod, by the names that injection gives too. */}}
{{- define "gateway.environment" -}}
{{- $namespace := .Release.Namespace -}}
{{- $name := include "flotilla.name" . -}}
{{- $fields := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "INSTANCE_IP" "status.podIP"
      "INSTANCE_IPS" "status.podIPs" "HOST_IP" "status.hostIP" "SERVICE_ACCOUNT" "spec.serviceAccountName" -}}
{{- range $variable, $path := $fields }}
- name: {{ $variable }}
  valueFrom:
    fieldRef:
      fieldPath: {{ $path }}
{{- end }}
- name: TRUST_DOMAIN
  value: {{ .Values.global.trustDomain }}
- name: ROOT_NAMESPACE
  value: {{ $namespace }}
- name: CA_ADDR
  value: istio-citadel.{{ $namespace }}.svc:8060
- name: DISCOVERY_ADDRESS
  value: istio-pilot.{{ $namespace }}.svc:15012
- name: PROXY_CONFIG
  value: {{ .Values.proxyConfig | toJson | quote }}
- name: ISTIO_META_WORKLOAD_NAME
  value: {{ $name }}
- name: ISTIO_META_OWNER
  value: kubernetes://apis/apps/v1/namespaces/{{ $namespace }}/deployments/{{ $name }}
- name: ISTIO_META_CLUSTER_ID
  value: {{ .Values.global.clusterId }}
- name: REVISION
  value: {{ .Values.global.revision | default "default" }}
{{- end -}}
