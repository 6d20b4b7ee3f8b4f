{{/* What every pod has: list . component */}}
{{- define "arcus.podSpec" -}}
{{- $root := index . 0 }}{{ $component := index . 1 -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
  {{- toYaml . | nindent 0 }}
{{- end }}
{{- with $component.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- with $component.runtimeClass }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* list . "front" component */}}
{{- define "arcus.topologySpread" -}}
{{- $selector := include "arcus.selector" . -}}
{{- with (index . 2).topologySpread }}
topologySpreadConstraints:
{{- range . }}
- topologyKey: {{ .topologyKey }}
  maxSkew: {{ .maxSkew }}
  whenUnsatisfiable: {{ .whenUnsatisfiable }}
  labelSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What every container has: list . component */}}
{{- define "arcus.container" -}}
{{- $root := index . 0 }}{{ $component := index . 1 -}}
image: {{ include "arcus.image" . }}
imagePullPolicy: {{ $component.image.pullPolicy }}
{{ include "arcus.containerSecurity" $component }}
resources:
  {{- toYaml $component.resources | nindent 2 }}
{{- end -}}

{{- define "arcus.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: {{ .readOnlyRootFilesystem }}
  runAsNonRoot: true
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* name, value: text of numbers as they were written */}}
{{- define "arcus.setting" -}}
- name: ARCUS_{{ index . 0 | upper }}
  value: {{ kindIs "string" (index . 1) | ternary (index . 1) (index . 1 | toJson) | quote }}
{{- end -}}

{{- define "arcus.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef: {name: {{ (index . 1).name }}, key: {{ (index . 1).key }}}
{{- end -}}

{{/* Of fronts, engines and whoever opens the database. */}}
{{- define "arcus.databaseEnv" -}}
{{ include "arcus.secretVariable" (list "ARCUS_DATABASE_URL" .Values.secrets.database) }}
- {name: ARCUS_MIGRATE_ON_START, value: "false"}
- {name: ARCUS_DATA_DIR, value: /tmp/arcus}
- {name: TMPDIR, value: /tmp}
{{- end -}}

{{/* Of fronts and engines: the settings, what they share, and where they find each other. */}}
{{- define "arcus.env" -}}
{{ include "arcus.databaseEnv" . }}
{{ include "arcus.secretVariable" (list "ARCUS_ENGINE_SECRET" .Values.secrets.engine) }}
{{- if .Values.secrets.engineOther.name }}
{{ include "arcus.secretVariable" (list "ARCUS_ENGINE_OTHER_SECRET" .Values.secrets.engineOther) }}
{{- end }}
- {name: ARCUS_CONFIG, value: /etc/arcus/engines.yaml}
{{- range $name, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
{{ include "arcus.setting" (list $name $value) }}
{{- end }}
{{- end }}
{{- if not .Values.settings.public_url }}
{{- with include "arcus.publicUrl" . }}
- {name: ARCUS_PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where clients come in, for links: a front knows its own address only. Empty where the chart can't tell. */}}
{{- define "arcus.publicUrl" -}}
{{- if and .Values.gateway.enabled .Values.gateway.hostnames -}}
{{- $host := first .Values.gateway.hostnames -}}
{{- if not (hasPrefix "*" $host) }}https://{{ $host }}{{ end -}}
{{- else if and .Values.ingress.enabled .Values.ingress.host -}}
{{ ternary "https" "http" (ne .Values.ingress.tlsSecret "") }}://{{ .Values.ingress.host }}
{{- end -}}
{{- end -}}

{{- define "arcus.envFrom" -}}
{{- range . }}
{{- if . }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}
