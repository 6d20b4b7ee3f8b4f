{{/* The kind of the engine with this name: list . name */}}
{{- define "arcus.kind" -}}
{{- $name := index . 1 -}}
{{- $given := get (index . 0).Values.engines.config.engines $name | default dict -}}
{{- get $given "kind" | default $name -}}
{{- end -}}

{{/* The applications that play roles, by the rule of services/core/engines/config.py; a test holds them together. */}}
{{- define "arcus.applications" -}}
{{- $root := . }}{{ $found := list -}}
{{- range $role := list "describe" "transcribe" "embed" "nimbus-001" "nimbus-002-preview" "extract" "see" -}}
{{- $engine := get $root.Values.engines.config.roles $role | default "embedded" -}}
{{- $embedded := eq (include "arcus.kind" (list $root $engine)) "embedded" -}}
{{- $answers := hasPrefix "nimbus-" $role -}}
{{- if not $embedded -}}
{{- $found = append $found (printf "engine-%s" $engine) -}}
{{- else if $answers -}}
{{- $found = append $found "generate" -}}
{{- else if eq $role "embed" -}}
{{- $found = append $found "embed" -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | toJson -}}
{{- end -}}

{{/* Whether an engine of this kind plays a role. */}}
{{- define "arcus.plays" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 -}}
{{- range $role, $engine := $root.Values.engines.config.roles -}}
{{- if and $engine (eq (include "arcus.kind" (list $root $engine)) $kind) }}yes{{ end -}}
{{- end -}}
{{- end -}}

{{/* Each with what it does not say as engines.worker has it. */}}
{{- define "arcus.workerGroups" -}}
{{- $groups := list -}}
{{- range .Values.engines.workerGroups -}}
{{- $groups = append $groups (mergeOverwrite (deepCopy $.Values.engines.worker) .) -}}
{{- end -}}
{{- $groups | toJson -}}
{{- end -}}

{{- define "arcus.headSharedMemory" -}}512Mi{{- end -}}

{{/* Bytes of Ray's object store in a shared memory of this size: without it Ray takes 30 % of the pod's memory, which does not
fit, and writes frames to a disk. */}}
{{- define "arcus.objectStoreBytes" -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- $factor := get (dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776) $unit -}}
{{- mulf (trimSuffix $unit . | float64) $factor 0.9 | int64 -}}
{{- end -}}

{{/* Seconds of a drain, computed where they are not given. */}}
{{- define "arcus.drain" -}}
{{- $given := .Values.engines.drain -}}
{{- $answer := $given.answerSeconds | int -}}
{{- $graceful := $given.gracefulSeconds | default $answer | int -}}
{{- $rayDrain := $given.rayDrainSeconds | default (add $graceful 60) | int -}}
{{- $grace := $given.graceSeconds | default (add $rayDrain 30) | int -}}
{{- $hardStop := $given.hardStopSeconds | default (add $answer 60) | int -}}
{{- $deletion := $given.deletionDelaySeconds | default (add $answer 300) | int -}}
{{- dict "answer" $answer "graceful" $graceful "rayDrain" $rayDrain "grace" $grace "hardStop" $hardStop "deletion" $deletion | toJson -}}
{{- end -}}

{{- define "arcus.serveConfig" -}}
{{- $root := . }}{{ $drain := include "arcus.drain" . | fromJson -}}
proxy_location: EveryNode
http_options: {host: 0.0.0.0, port: 8000}
grpc_options:
  port: 9000
  enable_reflection: false
  grpc_servicer_functions:
  - arcus.engine.v1.engine_pb2_grpc.add_EmbedServiceServicer_to_server
  - arcus.engine.v1.engine_pb2_grpc.add_IndexServiceServicer_to_server
  - arcus.engine.v1.engine_pb2_grpc.add_GenerateServiceServicer_to_server
logging_config: {encoding: JSON, log_level: WARNING, enable_access_log: false}
applications:
{{- range $name := include "arcus.applications" . | fromJsonArray }}
- name: {{ $name }}
  route_prefix: /{{ $name }}
  import_path: ray_jobs.deploy:engine
  args: {application: {{ $name }}}
  deployments: [{name: {{ $name }}, graceful_shutdown_timeout_s: {{ $drain.graceful }}}]
{{- end }}
{{- range $shard := until (.Values.settings.index_shards | default 1 | int) }}
- name: index-{{ $shard }}
  route_prefix: /index-{{ $shard }}
  import_path: ray_jobs.deploy:index
  args: {shard: {{ $shard }}}
{{- end }}
- name: ingest
  route_prefix: /ingest
  import_path: ray_jobs.deploy:ingest
  args: {}
{{- end -}}

{{/* Of every node of Ray; the same as on one machine (ray_jobs/runtime.py) but for ports and folders. */}}
{{- define "arcus.rayEnv" -}}
{{- $drain := include "arcus.drain" . | fromJson -}}
- {name: RAY_SERVE_ENABLE_HA_PROXY, value: "1"}
- {name: RAY_SERVE_ENABLE_DIRECT_INGRESS, value: "1"}
- {name: RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD, value: "0"}
- {name: RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS, value: "1024"}
- {name: RAY_SERVE_HAPROXY_H2_BE_MAX_CONCURRENT_STREAMS, value: "1024"}
- {name: RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S, value: {{ $drain.hardStop | quote }}}
- {name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ $drain.rayDrain | quote }}}
- {name: RAY_SERVE_QUEUE_LENGTH_RESPONSE_DEADLINE_S, value: "10"}
- {name: RAY_SERVE_MAX_QUEUE_LENGTH_RESPONSE_DEADLINE_S, value: "30"}
# A HAProxy that is gone is started anew after three looks; on a busy node one takes longer to start than Serve's own 5 s.
- {name: RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S, value: "2"}
- {name: RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S, value: "20"}
# A node that says nothing for 15 to 24 s is lost, and its replicas are started elsewhere; Ray's own is 40 to 65 s.
- {name: RAY_health_check_period_ms, value: "3000"}
- {name: RAY_health_check_timeout_ms, value: "5000"}
- {name: RAY_health_check_failure_threshold, value: "3"}
- {name: RAY_worker_niceness, value: "0"}
- {name: RAY_DEDUP_LOGS, value: "0"}
- {name: RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO, value: "0"}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
- {name: OMP_WAIT_POLICY, value: PASSIVE}
{{- if .Values.engines.faultTolerance.enabled }}
- {name: RAY_gcs_rpc_server_reconnect_timeout_s, value: "600"}
{{- end }}
- {name: HOME, value: /tmp/home}
{{- end -}}

{{/* A pod of Ray: list . "head"|"worker" component "name" spec-of-group */}}
{{- define "arcus.rayPod" -}}
{{- $root := index . 0 }}{{ $kind := index . 1 }}{{ $component := index . 2 }}{{ $group := index . 3 -}}
{{- $isHead := eq $kind "head" }}{{ $drain := include "arcus.drain" $root | fromJson -}}
metadata:
  {{- include "arcus.podMetadata" (list $root (printf "engines-%s" $kind) (merge (dict "podAnnotations" (merge (dict "checksum/engines" ($root.Values.engines.config | toJson | sha256sum)) $component.podAnnotations)) $component)) | nindent 2 }}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: {{ $drain.grace }}
  automountServiceAccountToken: {{ and $isHead $root.Values.engines.autoscaler.enabled }}
  {{- if not (and $isHead $root.Values.engines.autoscaler.enabled) }}
  serviceAccountName: {{ include "arcus.serviceAccount" (list $root "engines" $root.Values.engines.head) }}
  {{- end }}
  {{- include "arcus.podSpec" (list $root $component) | nindent 2 }}
  {{- include "arcus.topologySpread" (list $root (printf "engines-%s" $kind) $component) | nindent 2 }}
  containers:
  - name: ray-{{ $kind }}
    {{- include "arcus.container" (list $root $component) | nindent 4 }}
    ports:
    {{- if $isHead }}
    - {name: gcs-server, containerPort: 6379}
    - {name: dashboard, containerPort: 8265}
    {{- end }}
    - {name: metrics, containerPort: 8080}
    - {name: serve, containerPort: 8000}
    - {name: serve-grpc, containerPort: 9000}
    - {name: haproxy-metrics, containerPort: 9101}
    env:
    {{- include "arcus.env" $root | nindent 4 }}
    {{- include "arcus.rayEnv" $root | nindent 4 }}
    - {name: ARCUS_ENGINE_METRICS_PORT, value: "8080"}
    {{- if and (not $isHead) $group.modelCache.readOnly }}
    - {name: HF_HUB_OFFLINE, value: "1"}
    {{- end }}
    - {name: HF_HOME, value: /models}
    {{- with $component.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with include "arcus.envFrom" (list $root.Values.secrets.objects $root.Values.secrets.models) }}
    envFrom:
    {{- . | nindent 4 }}
    {{- end }}
    livenessProbe:
      httpGet: {path: /api/local_raylet_healthz, port: 52365}
      initialDelaySeconds: 30
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: 120
    readinessProbe:
      {{- if $isHead }}
      httpGet: {path: /api/local_raylet_healthz, port: 52365}
      {{- else }}
      exec:
        command:
        - python
        - -c
        - |
          from urllib.request import ProxyHandler, build_opener
          for url in ("http://127.0.0.1:52365/api/local_raylet_healthz", "http://127.0.0.1:8000/-/healthz"):
              build_opener(ProxyHandler({})).open(url, timeout=4).read()
      {{- end }}
      periodSeconds: 5
      timeoutSeconds: 10
      failureThreshold: 3
    volumeMounts:
    - {name: config, mountPath: /etc/arcus, readOnly: true}
    - {name: tmp, mountPath: /tmp}
    - {name: shm, mountPath: /dev/shm}
    - {name: models, mountPath: /models{{ if not $isHead }}, readOnly: {{ $group.modelCache.readOnly }}{{ end }}}
  volumes:
  - name: config
    configMap: {name: {{ include "arcus.name" $root }}-engines}
  - name: tmp
    emptyDir: {}
  - name: shm
    emptyDir: {medium: Memory, sizeLimit: {{ $group.sharedMemory | default (include "arcus.headSharedMemory" $root) }}}
  - name: models
    {{- $cache := $group.modelCache | default (dict "sizeLimit" "1Gi") }}
    {{- if $cache.claim }}
    persistentVolumeClaim: {claimName: {{ $cache.claim }}, readOnly: {{ $cache.readOnly }}}
    {{- else }}
    emptyDir: {sizeLimit: {{ $cache.sizeLimit }}}
    {{- end }}
{{- end -}}
