"""The one frozen settings object: read once from the environment, all problems reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.core.errors import ArcusError, Reason
from services.core.logs import LogFormat
from services.core.tenants.strangers import TrustedProxies

GIB = 1024**3


class Settings(BaseSettings):
    """Every setting, its default, its unit and what it is for. The environment name is ARCUS_ + the upper-case name."""

    model_config = SettingsConfigDict(env_prefix="ARCUS_", frozen=True, extra="ignore")

    data_dir: Path = Field(Path(".arcus"), description="Folder of the database and the objects on one machine.")
    database_url: str = Field("", description="SQLAlchemy URL; empty means SQLite inside the data folder.")
    database_connections: int = Field(
        5,
        ge=1,
        le=1000,
        description="Connections to PostgreSQL that a process keeps; while all are in use, as many more. "
        "One beside them renews leases.",
    )
    database_statement_seconds: float = Field(
        60.0,
        ge=0,
        description="Longest that a statement of PostgreSQL runs, waits for a lock, or its transaction stands still; "
        "0 means no end.",
    )
    migrate_on_start: bool = Field(
        True,
        description="Whether what starts brings the database's tables to its version; false where `arcus migrate` does, for "
        "which it then waits.",
    )
    objects_url: str = Field(
        "", description="Object store URL (file, s3, gs, az); empty means a folder in the data folder."
    )
    host: str = Field("127.0.0.1", description="Address the front listens on.")
    http_port: int = Field(8080, ge=0, le=65535, description="HTTP port; 0 picks a free one.")
    grpc_port: int = Field(50051, ge=0, le=65535, description="gRPC port; 0 picks a free one.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the front's Prometheus metrics; 0 means none.")
    metrics_host: str = Field(
        "127.0.0.1", description="Address that metrics are told on; they ask for no key, so only scrapers may reach it."
    )
    engine_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the Prometheus metrics of engines, ingest and Ray, on loopback on one machine; 0 means none.",
    )
    metrics_tenants: int = Field(
        20, ge=0, le=1000, description="Tenants that metrics name, those with most requests; all others count as one."
    )
    log_format: LogFormat = Field(
        "auto", description="Form of log lines: json, console, or auto, which is console on a terminal and else json."
    )
    otlp_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^/\s]+)?$",
        description="Collector that traces are sent to by OTLP over gRPC, as http://host:4317; empty means none.",
    )
    trace_share: float = Field(
        1.0, ge=0, le=1, description="Share of requests that are traced where the caller has not decided it."
    )
    public_url: str = Field("", description="Base URL put into links; empty means the address that was asked.")
    allowed_hosts: str = Field(
        "", description="Host names, separated by commas, that links may be built from beside this machine's own."
    )
    trusted_proxies: str = Field(
        "", description="Addresses or networks of proxies, separated by commas, whose X-Forwarded-For is believed."
    )
    cors_origins: str = Field(
        "", description="Origins of web pages that may call the API, separated by commas; * means any, empty none."
    )
    api_key: SecretStr = Field(SecretStr(""), description="Key of the tenant 'default' made at start; empty makes one.")
    admin_key: SecretStr = Field(
        SecretStr(""),
        description="An admin key, for /admin/v1; empty means one that `arcus up` keeps in the data folder.",
    )

    engine_address: str = Field("", description="host:port of the Ray Serve gRPC ingress.")
    engine_secret: SecretStr = Field(SecretStr(""), description="Shared secret of the front and the engine replicas.")
    engine_other_secret: SecretStr = Field(
        SecretStr(""), description="Another secret that replicas take too, while one takes the other's place."
    )
    link_secret: SecretStr = Field(
        SecretStr(""),
        description="Secret behind links to pictures, of 16 characters or more, the same for all fronts; empty means one "
        "made once and kept in the data folder.",
    )
    link_other_secret: SecretStr = Field(
        SecretStr(""), description="Another secret whose links are taken too, while one takes the other's place."
    )
    engine_timeout_seconds: float = Field(
        60.0, gt=0, description="Longest wait for the next message of an engine call."
    )
    config: str = Field("", description="YAML file of engines and roles; empty means the embedded engines.")
    roles: str = Field("", description="Roles over those of the file, as 'nimbus-001=scripted,embed=mine'.")
    speech_model: str = Field(
        "",
        description="Folder of a Whisper model in CTranslate2's form for the embedded engine; empty means the packages'.",
    )
    index_shards: int = Field(
        1, ge=1, le=1024, description="Index shards; more may be set at any time, fewer after `arcus reshard`."
    )
    index_replicas: int = Field(1, ge=1, le=64, description="Replicas of each index shard.")
    engine_direct: bool = Field(
        True,
        description="Whether fronts ask replicas of shards and engines over connections of their own; if not, all goes "
        "through the engines' ingress.",
    )
    engine_direct_ports: str = Field(
        "",
        pattern=r"^(\d{1,5}-\d{1,5})?$",
        description="Ports of a node, as 20000-20255, of which each replica of a shard or an engine takes one for those "
        "connections; empty means any free one.",
    )
    index_device: Literal["cpu", "gpu"] = Field(
        "cpu", description="Where shards search: cpu, or gpu with PyTorch or faiss-gpu."
    )
    index_spread_vectors: int = Field(
        250_000, ge=1, description="Vectors of one collection in each shard before it takes another shard."
    )
    index_lists_vectors: int = Field(
        200_000,
        ge=1000,
        description="Vectors of one collection in a shard from which it is searched by inverted lists.",
    )
    index_snapshot_rows: int = Field(
        50_000, ge=0, description="Changes after which a shard stores a snapshot of itself; 0 means never."
    )

    plans: str = Field("", description="YAML file of plans, by name, and what each allows; empty means no limits.")
    kept_days: float = Field(
        30.0, ge=0, description="Days that responses, searches and chat completions are kept; 0 keeps them."
    )
    max_question_bytes: int = Field(
        1024**2, ge=64 * 1024, le=64 * 1024**2, description="Largest request for an answer, in bytes."
    )
    max_upload_bytes: int = Field(4 * GIB, gt=0, description="Largest upload in bytes.")
    max_duration_seconds: float = Field(7200.0, gt=0, description="Longest video accepted, in seconds.")
    max_pixels: int = Field(7680 * 4320, gt=0, description="Largest frame accepted, in pixels.")
    min_free_bytes: int = Field(
        256 * 1024**2, ge=0, description="Free space that uploads and stored answers leave on the data disk."
    )
    max_requests_per_tenant: int = Field(64, ge=1, description="Requests of one tenant in progress in one front.")
    max_responses: int = Field(256, ge=1, description="Responses being generated in one front.")
    max_output_tokens: int = Field(
        2048, ge=1, le=128000, description="Tokens of an answer when the request names none."
    )
    context_tokens: int = Field(6000, ge=256, description="Tokens of sources put before the model.")
    conversation_tokens: int = Field(
        4000, ge=64, description="Tokens of earlier turns put before the model; the oldest are left out first."
    )

    drain_seconds: float = Field(
        30.0, ge=0, le=3600, description="Longest that running requests get to end when the server is told to stop."
    )
    drain_delay_seconds: float = Field(
        0.0,
        ge=0,
        le=600,
        description="How long a server that is told to stop says so by /readyz and still takes requests, so that those who "
        "send them hear of it.",
    )
    lease_seconds: float = Field(15.0, gt=0, description="A job whose worker is silent this long is taken over.")
    max_attempts: int = Field(3, ge=1, description="Times a job is tried before it fails.")
    ingest_concurrency: int = Field(2, ge=1, description="Jobs one ingest replica runs at once.")
    segments_in_flight: int = Field(4, ge=1, le=256, description="Segments of one job that are described at once.")
    transcribe_replicas: int = Field(2, ge=1, description="Replicas of speech recognition, the slowest stage on a CPU.")
    describe_replicas: int = Field(
        1, ge=1, description="Replicas of the stage that reads text on the screen; the embedded engine describes in it."
    )
    frame_interval_seconds: float = Field(2.0, gt=0, description="Time between sampled frames.")
    frame_max_side: int = Field(1280, ge=64, description="Longer side of a sampled frame in pixels.")
    max_frames_per_segment: int = Field(16, ge=1, description="Frames sampled from one segment at most.")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        TrustedProxies(text)
        return text

    @field_validator("engine_direct_ports")
    @classmethod
    def _are_ports(cls, text: str) -> str:
        first, _, last = text.partition("-")
        if text and not 1024 <= int(first) <= int(last) <= 65535:
            raise ValueError("must be two ports of 1024 to 65535, the lower one first")
        return text

    @property
    def direct_ports(self) -> Sequence[int]:
        """0: any free one."""
        first, _, last = self.engine_direct_ports.partition("-")
        return range(int(first), int(last) + 1) if first else (0,)

    @property
    def cors_origin_list(self) -> list[str]:
        return [origin.strip().rstrip("/") for origin in self.cors_origins.split(",") if origin.strip()]

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir.absolute() / 'arcus.db'}"

    @property
    def objects(self) -> str:
        return self.objects_url or f"file://{self.data_dir.absolute() / 'objects'}"


def load_settings(**overrides: object) -> Settings:
    """Reads the environment. Raises INVALID_ARGUMENT that lists every bad setting."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(
            f"ARCUS_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']}" for item in error.errors()
        )
        raise ArcusError(Reason.INVALID_ARGUMENT, f"Bad settings: {problems}") from error
