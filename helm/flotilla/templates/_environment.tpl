{{/* A service's settings as environment: first those that the chart decides, then `settings` of the values. */}}

{{- define "flotilla.variable" -}}FLOTILLA_{{ upper .Chart.Name }}_{{- end -}}

{{- define "flotilla.environment" -}}
{{- $prefix := include "flotilla.variable" . -}}
{{- $namespace := .Release.Namespace -}}
- name: {{ $prefix }}PLATFORM
  value: kubernetes
- name: {{ $prefix }}POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: {{ $prefix }}ROOT_NAMESPACE
  value: {{ $namespace }}
- name: {{ $prefix }}TRUST_DOMAIN
  value: {{ .Values.global.trustDomain }}
{{- with .Values.global.revision }}
- name: {{ $prefix }}REVISION
  value: {{ . }}
{{- end }}
{{- if not (hasKey .Values.settings "address") }}
- name: {{ $prefix }}ADDRESS
  value: 0.0.0.0
{{- end }}
{{- if not (hasKey .Values.settings "log_level") }}
- name: {{ $prefix }}LOG_LEVEL
  value: {{ .Values.global.logLevel }}
{{- end }}
{{- if ne .Chart.Name "citadel" }}
- name: {{ $prefix }}CITADEL_ADDRESS
  value: istio-citadel.{{ $namespace }}.svc:8060
- name: {{ $prefix }}ROOT_CERT_FILE
  value: /var/run/secrets/istio/root-cert.pem
- name: {{ $prefix }}TOKEN_FILE
  value: /var/run/secrets/tokens/istio-token
{{- end }}
{{- end -}}

{{/* `settings` of the values: text as it is, everything else as JSON, which the services read. */}}
{{- define "flotilla.settings" -}}
{{- $prefix := include "flotilla.variable" . -}}
{{- range $key, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $prefix }}{{ upper $key }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- end }}
{{- end -}}
