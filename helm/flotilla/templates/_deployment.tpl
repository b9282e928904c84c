{{/*
The Deployment of one of the four services.
  root      the chart's context
  ports     list of {name, port}, beside the monitoring port
  env       YAML list of more variables
  mounts    YAML list of more volumeMounts
  volumes   YAML list of more volumes
Settings are variables, so a change of them replaces the pods; what is mounted is followed by the processes.
*/}}
{{- define "flotilla.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $scaling := $values.autoscaling | default dict -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "flotilla.name" $root }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "flotilla.labels" $root | nindent 4 }}
spec:
  {{- if not $scaling.enabled }}
  replicas: {{ $values.replicas }}
  {{- end }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  selector:
    matchLabels:
      {{- include "flotilla.selector" $root | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "flotilla.labels" $root | nindent 8 }}
        sidecar.istio.io/inject: "false"
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "15014"
        prometheus.io/path: /metrics
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "flotilla.serviceAccount" $root }}
      automountServiceAccountToken: true
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- include "flotilla.pullSecrets" $root | nindent 6 }}
      {{- include "flotilla.scheduling" $root | nindent 6 }}
      securityContext:
        {{- include "flotilla.podSecurity" $root | nindent 8 }}
      containers:
      - name: {{ $root.Chart.Name }}
        image: {{ include "flotilla.image" (dict "root" $root "name" $root.Chart.Name "given" $values.image) | quote }}
        imagePullPolicy: {{ $values.global.image.pullPolicy }}
        command: [flotilla-{{ $root.Chart.Name }}, serve]
        env:
        {{- include "flotilla.environment" $root | nindent 8 }}
        {{- with .env }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- include "flotilla.settings" $root | nindent 8 }}
        ports:
        {{- range .ports }}
        - name: {{ .name }}
          containerPort: {{ .port }}
          protocol: TCP
        {{- end }}
        - name: http-monitoring
          containerPort: 15014
          protocol: TCP
        {{- include "flotilla.probes" $root | nindent 8 }}
        {{- if $values.lingerSeconds }}
        lifecycle:
          preStop:
            sleep: {seconds: {{ $values.lingerSeconds }}}
        {{- end }}
        resources:
          {{- toYaml $values.resources | nindent 10 }}
        securityContext:
          {{- include "flotilla.containerSecurity" $root | nindent 10 }}
        volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if ne $root.Chart.Name "citadel" }}
        {{- include "flotilla.identityMounts" $root | nindent 8 }}
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      volumes:
      - name: tmp
        emptyDir: {}
      {{- if ne $root.Chart.Name "citadel" }}
      {{- include "flotilla.identityVolumes" $root | nindent 6 }}
      {{- end }}
      {{- with .volumes }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $values.extraVolumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
{{- end -}}

{{/* A pod gets traffic when the service says that it is ready, and is replaced when its loop no longer turns. */}}
{{- define "flotilla.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http-monitoring}
  periodSeconds: 1
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: http-monitoring}
  periodSeconds: 3
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /healthz, port: http-monitoring}
  periodSeconds: 15
  timeoutSeconds: 10
  failureThreshold: 4
{{- end -}}
