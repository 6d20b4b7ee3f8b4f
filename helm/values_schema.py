"""The chart's values, each with its type, and the schema made of them: python helm/values_schema.py

Every object is closed, so that a misspelt key fails the install. `settings` is made of the program's own settings, and
`engines.config` of its engine configuration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from services.core.engines.config import EngineOptions, Role
from services.core.settings import Settings

CHART = Path(__file__).parent / "arcus"
SCHEMA = CHART / "values.schema.json"
# What the chart gives by other values: secrets by their names, ports and folders by the images.
OWNED = {
    "api_key",
    "config",
    "data_dir",
    "database_url",
    "drain_delay_seconds",
    "drain_seconds",
    "engine_address",
    "engine_metrics_port",
    "engine_other_secret",
    "engine_secret",
    "grpc_port",
    "host",
    "http_port",
    "link_other_secret",
    "link_secret",
    "metrics_host",
    "metrics_port",
    "migrate_on_start",
    "roles",
    "speech_model",
}
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")]
Name = Annotated[str, Field(max_length=253)]
Labels = dict[str, str]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Values(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Image(Values):
    repository: str = ""
    tag: str = Field("", description="Empty means the chart's appVersion.")
    digest: str = Field("", description="sha256:…, which a tag can't be moved away from.")
    pullPolicy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"


class Amounts(Values):
    cpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = Field(None, alias="ephemeral-storage")
    gpu: Quantity | None = Field(None, alias="nvidia.com/gpu")


class Resources(Values):
    requests: Amounts = Amounts()
    limits: Amounts = Amounts()


class Toleration(Values):
    key: str | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None


class Spread(Values):
    topologyKey: str
    maxSkew: int = Field(ge=1)
    whenUnsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]


class SecretKey(Values):
    name: Name
    key: str


class ConfigMapKey(Values):
    name: Name
    key: str


class ValueFrom(Values):
    secretKeyRef: SecretKey | None = None
    configMapKeyRef: ConfigMapKey | None = None


class Variable(Values):
    name: str = Field(min_length=1)
    value: str | None = None
    valueFrom: ValueFrom | None = None


class ServiceAccount(Values):
    name: Name = Field(description="Of one that is there; empty makes one.")
    annotations: Labels


class Component(Values):
    """What the pods of every component have."""

    image: Image
    resources: Resources
    nodeSelector: Labels
    tolerations: list[Toleration]
    topologySpread: list[Spread]
    priorityClass: Name
    runtimeClass: Name
    podLabels: Labels
    podAnnotations: Labels
    extraEnv: list[Variable]
    serviceAccount: ServiceAccount
    readOnlyRootFilesystem: bool


class Autoscaling(Values):
    enabled: bool
    minReplicas: int = Field(ge=1)
    maxReplicas: int = Field(ge=1)
    targetCPUPercent: int = Field(ge=1, le=100)
    scaleDownStabilizationSeconds: Seconds


class Budget(Values):
    enabled: bool
    maxUnavailable: int = Field(ge=1)


class FrontService(Values):
    type: Literal["ClusterIP", "LoadBalancer", "NodePort"]
    annotations: Labels
    httpPort: Port
    grpcPort: Port


class FrontDrain(Values):
    delaySeconds: Seconds = Field(description="Told to stop, a front says so and takes requests for so long.")
    drainSeconds: int = Field(ge=0, le=3600, description="Then running requests get so long to end.")
    graceSeconds: int | None = Field(None, description="Until the kubelet kills it; empty is computed.")


class Front(Component):
    replicas: int = Field(ge=1)
    autoscaling: Autoscaling
    pdb: Budget
    service: FrontService
    drain: FrontDrain
    metricsPort: Port


class Migrate(Component):
    enabled: bool
    backoffLimit: int = Field(ge=0)
    timeoutSeconds: Seconds
    waitSeconds: Seconds = Field(description="For the database, which may still be starting.")


class LoadTest(Component):
    enabled: bool
    scenario: str = Field(description="The text of a scenario, as --set-file gives it.")
    long: bool = Field(description="Its long form.")
    keys: SecretKey = Field(description="JSON of {tenant: key}, for each tenant of the scenario.")
    timeoutSeconds: Seconds


class ModelCache(Values):
    claim: Name = Field(
        "",
        description="A PersistentVolumeClaim with models, ReadOnlyMany or ReadWriteMany; empty means a folder of the pod, into "
        "which models are fetched.",
    )
    readOnly: bool = False
    sizeLimit: Quantity = "10Gi"


class Worker(Component):
    sharedMemory: Quantity = Field(description="Of /dev/shm, where Ray keeps frames; counts to the memory limit.")
    modelCache: ModelCache


# What a group does not say is as `worker` has it.
_Partial = create_model(  # type: ignore[call-overload]
    "Partial",
    __base__=Values,
    **{
        name: (field.annotation | None, Field(None, description=field.description))  # type: ignore[operator]
        for name, field in Worker.model_fields.items()
    },
)


class WorkerGroup(_Partial):  # type: ignore[misc,valid-type]
    name: str = Field(pattern=r"^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$")
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)
    maxReplicas: int = Field(ge=1)


class EnginesDrain(Values):
    answerSeconds: int = Field(ge=1, le=7200, description="The longest answer.")
    gracefulSeconds: int | None = Field(None, description="A replica's end; empty is computed, as are the others.")
    rayDrainSeconds: int | None = None
    hardStopSeconds: int | None = None
    graceSeconds: int | None = None
    deletionDelaySeconds: int | None = None


class Autoscaler(Values):
    enabled: bool
    idleTimeoutSeconds: Seconds
    resources: Resources


class FaultTolerance(Values):
    enabled: bool
    address: str = Field(description="redis://HOST:6379 of a Redis outside of this chart.")


class EngineSetup(Values):
    """What ARCUS_CONFIG names: configs/*.yaml, word for word."""

    engines: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,42}$")], EngineOptions]
    roles: create_model("Roles", __base__=Values, **{role: (str | None, None) for role in Role.__args__})  # type: ignore


class Engines(Values):
    enabled: bool = Field(description="Off where the fronts' engines run elsewhere; then set address.")
    address: str = Field(description="host:port of engines elsewhere; empty means those of this chart.")
    rayVersion: str
    initializingTimeout: str
    config: EngineSetup
    drain: EnginesDrain
    autoscaler: Autoscaler
    faultTolerance: FaultTolerance
    pdb: Budget
    head: Component
    worker: Worker
    workerGroups: list[WorkerGroup] = Field(min_length=1)


class Secrets(Values):
    database: SecretKey
    engine: SecretKey
    engineOther: SecretKey
    links: SecretKey
    linksOther: SecretKey
    objects: Name = Field(
        description="Its keys are variables of the object store (AWS_ACCESS_KEY_ID …); empty means none."
    )
    rayToken: Name = Field(description="Its key is auth_token.")
    redis: SecretKey
    models: Name = Field(description="Its keys are variables (HF_TOKEN, MODEL_API_KEY …); empty means none.")


class ParentRef(Values):
    name: Name
    namespace: Name
    sectionName: Name


class Gateway(Values):
    enabled: bool
    parentRefs: list[ParentRef]
    hostnames: list[str]
    grpcHostnames: list[str]


class Ingress(Values):
    enabled: bool
    className: str
    annotations: Labels
    host: str
    grpcHost: str
    grpcAnnotations: Labels
    tlsSecret: Name
    grpcTlsSecret: Name


class Peer(Values):
    cidr: str | None = None
    namespaceLabels: Labels | None = None
    podLabels: Labels | None = None


class Flow(Values):
    to: list[Peer] = Field(description="Empty means anywhere, on this port.")
    port: Port


class Policies(Values):
    enabled: bool
    clients: list[Peer] = Field(description="Who may ask the fronts: the gateway's pods. Empty means everybody.")
    operator: list[Peer]
    prometheus: list[Peer]
    dns: list[Peer]
    database: Flow
    objects: Flow
    redis: Flow
    kubernetes: Flow
    models: Flow
    traces: Flow
    modelsEnabled: bool = Field(description="Whether engines may fetch models, or ask a server of models.")


class ServiceMonitors(Values):
    enabled: bool
    interval: str
    labels: Labels


class Switch(Values):
    enabled: bool
    labels: Labels


class Monitoring(Values):
    monitors: ServiceMonitors
    rules: Switch
    dashboards: Switch


class Chart(Values):
    nameOverride: Name
    imagePullSecrets: list[Name]
    secrets: Secrets
    settings: create_model(  # type: ignore[valid-type]
        "Settings",
        __base__=Values,
        **{
            name: (field.annotation | None, Field(None, description=field.description))  # type: ignore
            for name, field in sorted(Settings.model_fields.items())
            if name not in OWNED
        },
    )
    front: Front
    migrate: Migrate
    load: LoadTest
    engines: Engines
    gateway: Gateway
    ingress: Ingress
    networkPolicy: Policies
    monitoring: Monitoring
    # Of Helm itself, where the chart is a part of another.
    global_: dict[str, Any] = Field(default_factory=dict, alias="global")
    # Refused by a template, which says what to write instead.
    replicaCount: Any = Field(None, deprecated=True)
    image: Any = Field(None, deprecated=True)
    env: Any = Field(None, deprecated=True)
    postgresql: Any = Field(None, deprecated=True)


def schema() -> str:
    made = Chart.model_json_schema(by_alias=True)
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **made}, indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA.write_text(schema())
