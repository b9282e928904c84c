{{/* Names and labels. Each template takes the context of the chart that asks: its name is the service's. */}}

{{/* Label app, as in Istio 1.4: Citadel's is "security". */}}
{{- define "flotilla.app" -}}
{{- get (dict "citadel" "security" "gateway" "istio-ingressgateway") .Chart.Name | default .Chart.Name -}}
{{- end -}}

{{/* Label istio. */}}
{{- define "flotilla.istio" -}}
{{- get (dict "gateway" "ingressgateway") .Chart.Name | default .Chart.Name -}}
{{- end -}}

{{/* Of the Deployment, the Service and all that is named after them. */}}
{{- define "flotilla.name" -}}istio-{{ include "flotilla.istio" . }}{{- end -}}

{{- define "flotilla.serviceAccount" -}}{{ include "flotilla.name" . }}-service-account{{- end -}}

{{/* Objects of the cluster are told apart by the mesh's namespace: two meshes may stand side by side. */}}
{{- define "flotilla.clusterName" -}}{{ include "flotilla.name" . }}-{{ .Release.Namespace }}{{- end -}}

{{/* A revision's own names: "" for the default one, else "-<revision>". */}}
{{- define "flotilla.suffix" -}}{{ with .Values.global.revision }}-{{ . }}{{ end }}{{- end -}}

{{- define "flotilla.selector" -}}
app: {{ include "flotilla.app" . }}
istio: {{ include "flotilla.istio" . }}
{{- end -}}

{{- define "flotilla.labels" -}}
{{ include "flotilla.selector" . }}
app.kubernetes.io/name: {{ include "flotilla.name" . }}
app.kubernetes.io/part-of: flotilla
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.global.revision }}
istio.io/rev: {{ . }}
{{- end }}
{{- end -}}

{{/* Image of `name`, or the whole reference that the values give: (dict "root" . "name" "pilot" "given" "") */}}
{{- define "flotilla.image" -}}
{{- $image := .root.Values.global.image -}}
{{- .given | default (printf "%s/%s:%s" $image.prefix .name ($image.tag | default .root.Chart.AppVersion)) -}}
{{- end -}}

{{- define "flotilla.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}
