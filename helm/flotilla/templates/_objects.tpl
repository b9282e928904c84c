{{/* Objects that each service has one of. */}}

{{- define "flotilla.accountObject" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "flotilla.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "flotilla.labels" . | nindent 4 }}
  {{- with .Values.serviceAccountAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- include "flotilla.pullSecrets" . }}
automountServiceAccountToken: false
{{- end -}}

{{/* (dict "root" . "ports" (list (dict "name" "grpc-xds" "port" 15012)) "name" "istio-policy"): `target` when it differs
     from `port`, `name` when it is not the service's own. Adds the monitoring port. */}}
{{- define "flotilla.serviceObject" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name | default (include "flotilla.name" .root) }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "flotilla.labels" .root | nindent 4 }}
  {{- with .root.Values.serviceAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  selector:
    {{- include "flotilla.selector" .root | nindent 4 }}
  ports:
  {{- range append .ports (dict "name" "http-monitoring" "port" 15014) }}
  - name: {{ .name }}
    port: {{ .port }}
    targetPort: {{ .target | default .port }}
    protocol: TCP
  {{- end }}
{{- end -}}

{{/* Binds a (Cluster)Role to the service's account. */}}
{{- define "flotilla.binding" -}}
{{- $cluster := eq .kind "ClusterRole" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- if not $cluster }}
  namespace: {{ .root.Release.Namespace }}
  {{- end }}
  labels:
    {{- include "flotilla.labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
- kind: ServiceAccount
  name: {{ include "flotilla.serviceAccount" .root }}
  namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{- define "flotilla.disruptionBudget" -}}
{{- if and .Values.podDisruptionBudget.enabled (include "flotilla.replicated" .) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "flotilla.name" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "flotilla.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "flotilla.selector" . | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "flotilla.autoscaler" -}}
{{- with .Values.autoscaling }}
{{- if .enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "flotilla.name" $ }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "flotilla.labels" $ | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "flotilla.name" $ }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
  - type: Resource
    resource:
      name: cpu
      target:
        type: Utilization
        averageUtilization: {{ .targetCPUUtilizationPercentage }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A Lease that the service holds to lead. The chart makes it, so that the service needs no right to create any, and
     uninstalling removes it. */}}
{{- define "flotilla.lease" -}}
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: {{ include "flotilla.name" . }}-leader{{ include "flotilla.suffix" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "flotilla.labels" . | nindent 4 }}
{{- end -}}
