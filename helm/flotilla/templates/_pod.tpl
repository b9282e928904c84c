{{/* Parts of every pod of the control plane. They satisfy the restricted Pod Security Standard. */}}

{{- define "flotilla.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1337
runAsGroup: 1337
fsGroup: 1337
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "flotilla.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where pods go. Without an affinity of the user's own, replicas keep apart as `antiAffinity` says. */}}
{{- define "flotilla.scheduling" -}}
{{- $values := .Values -}}
{{- with $values.priorityClassName | default $values.global.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
{{- range . }}
- {{- toYaml (merge (dict) . (dict "labelSelector" (dict "matchLabels" (include "flotilla.selector" $ | fromYaml)))) | nindent 2 }}
{{- end }}
{{- end }}
{{- if $values.affinity }}
affinity:
  {{- toYaml $values.affinity | nindent 2 }}
{{- else if eq $values.antiAffinity "preferred" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
    - weight: 100
      podAffinityTerm:
        topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "flotilla.selector" . | nindent 12 }}
{{- else if eq $values.antiAffinity "required" }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector:
        matchLabels:
          {{- include "flotilla.selector" . | nindent 10 }}
{{- end }}
{{- end -}}

{{/* The root certificate and the token by which Citadel knows the pod. A pod waits for the ConfigMap until Citadel has
     made it. */}}
{{- define "flotilla.identityVolumes" -}}
- name: istiod-ca-cert
  configMap:
    name: istio-ca-root-cert
- name: istio-token
  projected:
    sources:
    - serviceAccountToken:
        path: istio-token
        audience: istio-ca
        expirationSeconds: 43200
{{- end -}}

{{- define "flotilla.identityMounts" -}}
- name: istiod-ca-cert
  mountPath: /var/run/secrets/istio
  readOnly: true
- name: istio-token
  mountPath: /var/run/secrets/tokens
  readOnly: true
{{- end -}}

{{/* More than one pod of it: what a PodDisruptionBudget is for. */}}
{{- define "flotilla.replicated" -}}
{{- $scaling := .Values.autoscaling | default dict -}}
{{- if or (and $scaling.enabled (gt (int $scaling.minReplicas) 1)) (and (not $scaling.enabled) (gt (int .Values.replicas) 1)) -}}
true
{{- end -}}
{{- end -}}

{{/* As many pods as there may ever be. */}}
{{- define "flotilla.mostReplicas" -}}
{{- $scaling := .Values.autoscaling | default dict -}}
{{- if $scaling.enabled }}{{ $scaling.maxReplicas }}{{ else }}{{ .Values.replicas }}{{ end -}}
{{- end -}}
