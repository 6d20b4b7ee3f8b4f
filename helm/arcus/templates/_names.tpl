{{- define "arcus.name" -}}
{{- .Values.nameOverride | default .Release.Name | trunc 30 | trimSuffix "-" -}}
{{- end -}}

{{/* of a component: list . "front" */}}
{{- define "arcus.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: arcus
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "arcus.selector" -}}
app.kubernetes.io/name: arcus
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* of pods, which a new version of the chart must not change by itself: list . "front" component */}}
{{- define "arcus.podMetadata" -}}
labels:
  {{- include "arcus.selector" . | nindent 2 }}
  {{- with (index . 2).podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with (index . 2).podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* list . component */}}
{{- define "arcus.image" -}}
{{- $image := (index . 1).image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* list . "front" component */}}
{{- define "arcus.serviceAccount" -}}
{{- (index . 2).serviceAccount.name | default (printf "%s-%s" (include "arcus.name" (index . 0)) (index . 1)) -}}
{{- end -}}

{{- define "arcus.engineAddress" -}}
{{- if .Values.engines.enabled -}}
{{ include "arcus.name" . }}-engines-serve-svc:9000
{{- else -}}
{{ .Values.engines.address }}
{{- end -}}
{{- end -}}
