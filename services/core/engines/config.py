"""Which engines there are and which role each of them plays: a YAML file, and the environment over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from services.core.errors import ArcusError, invalid
from services.core.settings import Settings

Role = Literal["describe", "transcribe", "embed", "nimbus-001", "nimbus-002-preview", "extract", "see"]
# What a model must be able to do to play a role: engines of one model play roles of one task.
Task = Literal["language", "speech", "vectors", "pictures"]
SEE: Role = "see"  # played only where an engine is given it
ROLES: tuple[Role, ...] = tuple(role for role in get_args(Role) if role != SEE)  # each always played by some engine
MULTILINGUAL, MINILM = "multilingual-e5-small", "all-MiniLM-L6-v2"
MODELS: tuple[Role, ...] = ("nimbus-001", "nimbus-002-preview")  # the roles that a request names as its model
TASKS: dict[Role, Task] = {
    "describe": "language",
    "transcribe": "speech",
    "embed": "vectors",
    "nimbus-001": "language",
    "nimbus-002-preview": "language",
    "extract": "language",
    SEE: "pictures",
}
SCRIPTED_ANSWERS = ",".join(f"{model}=scripted" for model in MODELS)  # as ARCUS_ROLES takes it
MAX_FILE_BYTES = 1_000_000
IMAGE_TEXT_FILES = ("vision.onnx", "text.onnx", "tokenizer.json")  # beside which a folder may tell how to use them
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?")


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EmbeddedOptions(_Options):
    """The engines inside Arcus's own packages: no GPU, no downloads. It plays every role, each in its own way."""

    kind: Literal["embedded"] = "embedded"
    embedder: Literal["", "multilingual-e5-small", "all-MiniLM-L6-v2"] = Field(
        "",
        description="In the role embed: the first knows a hundred languages, the second English, at a quarter of the cost. "
        "None named: the one that made what is stored, the first for new data.",
    )
    replicas: int = Field(1, ge=1, le=1024, description="Processes that embed questions, and as many that answer.")


class ScriptedOptions(_Options):
    """Answers by a script in the instructions: for tests, and for measuring everything but the model."""

    kind: Literal["scripted"] = "scripted"
    max_running: int = Field(0, ge=0, le=65536, description="Answers written at once, as a model would; 0: any number.")
    max_waiting: int = Field(128, ge=0, le=65536, description="Requests that wait for a place; more are refused.")


class VllmOptions(_Options):
    """A model in this cluster, run by vLLM: a language model, Whisper for speech, or a pooling model for vectors."""

    kind: Literal["vllm"]
    model: str = Field(min_length=1, description="Name on the model hub, or the path of a folder.")
    replicas: int = Field(1, ge=1, le=1024, description="Copies of the model.")
    gpus: float = Field(
        1,
        ge=0,
        le=64,
        description="GPUs of one replica: 0 runs on the CPU, a part of 1 shares one GPU, whole ones split the model.",
    )
    context_tokens: int | None = Field(
        None, ge=256, description="Of prompt and answer together; none: what the model was made for."
    )
    max_running: int = Field(64, ge=1, le=4096, description="Requests in one replica's batch.")
    max_waiting: int = Field(128, ge=0, le=65536, description="Requests that wait for a place; more are refused.")
    max_images: int = Field(16, ge=0, le=256, description="Frames shown in one prompt.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    load_format: Literal["auto", "safetensors", "dummy"] = Field(
        "auto", description="dummy: random weights, to measure a model without having it."
    )
    stall_seconds: float = Field(
        60.0, gt=0, le=3600, description="A model that is silent this long while requests run is started again."
    )
    extra: dict[str, Any] = Field(
        default_factory=dict, description="More arguments of vLLM's engine, as it names them."
    )

    @field_validator("gpus")
    @classmethod
    def _whole_or_part(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError("above 1, give a whole number")
        return gpus

    @property
    def tensor_parallel_size(self) -> int:
        return max(1, int(self.gpus))

    @property
    def takes_device_frames(self) -> bool:
        """Whether it is shown frames where a GPU decoded them: only this way of vLLM's own carries them to its model."""
        return self.max_images > 0 and self.tensor_parallel_size == 1 and self.extra.get("mm_tensor_ipc") == "torch_shm"

    @property
    def memory_share(self) -> float:
        """Of a GPU's memory that vLLM may take; a tenth is left to what else must fit."""
        return min(0.9, self.gpus) if self.gpus else 0.9


class OpenaiOptions(_Options):
    """A model behind any server that speaks OpenAI's API."""

    kind: Literal["openai"]
    base_url: str = Field(pattern=r"^https?://", description="As http://host:8000/v1.")
    model: str = Field(min_length=1, description="As the server names it.")
    api_key_variable: str = Field(
        "", pattern=r"^[A-Z0-9_]*$", description="Environment variable that holds the key; empty: no key is sent."
    )
    replicas: int = Field(1, ge=1, le=1024, description="Processes that call the server.")
    context_tokens: int = Field(32_768, ge=256, description="Of prompt and answer together.")
    max_running: int = Field(64, ge=1, le=4096, description="Requests under way from one replica; more are refused.")
    max_images: int = Field(16, ge=0, le=256, description="Frames shown in one prompt; 0: the model sees none.")
    image_tokens: int = Field(1_600, ge=1, description="That one frame takes at most.")
    bytes_per_token: float = Field(
        3.0, gt=0.5, le=8, description="Of text, by which its tokens are estimated; a low number errs on the safe side."
    )
    output_limit_name: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="What the server calls the limit of an answer; OpenAI's newer models know the second."
    )
    timeout_seconds: float = Field(60.0, gt=0, le=3600, description="Longest silence of the server.")
    is_vllm: bool = Field(
        False, description="It is vLLM: caches are salted by tenant, and an answer that broke off goes on."
    )


class ImageTextOptions(_Options):
    """Two towers that put pictures and texts into one space, as CLIP and SigLIP do, run here by ONNX Runtime."""

    kind: Literal["image_text"]
    folder: str = Field(min_length=1, description="With vision.onnx, text.onnx and tokenizer.json.")
    tags: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)], ...] = Field(
        (), max_length=1000, description="What may be told of a picture; none: nothing is."
    )
    tag_prompt: str = Field(
        "a photo of {}", max_length=200, description="How the model is asked for a tag, which takes the place of {}."
    )
    tag_threshold: float | None = Field(
        None, ge=-1, le=1, description="Likeness (cosine) from which a tag is told; needed with tags."
    )
    max_tags: int = Field(5, ge=1, le=50, description="Told of one moment, the likeliest.")
    search_threshold: float = Field(0.0, ge=-1, le=1, description="Likeness from which a picture is found by a text.")
    max_pictures: int = Field(8, ge=1, le=64, description="Kept of one segment; those like the one before are not.")
    threads: int = Field(1, ge=1, le=64, description="Of one replica.")
    replicas: int = Field(1, ge=1, le=1024, description="Copies of the model.")

    @field_validator("tag_prompt")
    @classmethod
    def _has_a_place(cls, prompt: str) -> str:
        if prompt.count("{}") != 1:
            raise ValueError("must hold {} once, where the tag goes")
        return prompt

    @model_validator(mode="after")
    def _threshold_with_tags(self) -> ImageTextOptions:
        if self.tags and self.tag_threshold is None:
            raise ValueError("tags need a tag_threshold: the likeness from which one is told")
        return self


EngineOptions = Annotated[
    EmbeddedOptions | ScriptedOptions | VllmOptions | OpenaiOptions | ImageTextOptions, Field(discriminator="kind")
]
KINDS: dict[str, type[_Options]] = {
    "embedded": EmbeddedOptions,
    "vllm": VllmOptions,
    "openai": OpenaiOptions,
    "scripted": ScriptedOptions,
    "image_text": ImageTextOptions,
}
BUILT_IN: dict[str, EmbeddedOptions | ScriptedOptions] = {
    "embedded": EmbeddedOptions.model_validate({}),
    "scripted": ScriptedOptions.model_validate({}),
}


class EngineConfig(_Options):
    """`engines` by name, the built-in ones among them; `roles` names an engine for every role but `see`, which it may."""

    engines: dict[str, EngineOptions]
    roles: dict[Role, str]

    def engine(self, role: Role) -> EngineOptions:
        return self.engines[self.roles[role]]

    def played_by(self, name: str) -> tuple[Role, ...]:
        return tuple(role for role in (*ROLES, SEE) if self.roles.get(role) == name)

    @property
    def seer(self) -> ImageTextOptions | None:
        """What sees frames and finds them by a text; None: nothing does."""
        options = self.engine(SEE) if SEE in self.roles else None
        return options if isinstance(options, ImageTextOptions) else None

    @property
    def embedder(self) -> str:
        """The model whose vectors are searched: those of two models can't be compared."""
        options = self.engine("embed")
        return options.embedder if isinstance(options, EmbeddedOptions) else getattr(options, "model", options.kind)

    def embedding_with(self, model: str) -> EngineConfig:
        """The same with this model in the embedded engine that plays the role embed."""
        name = self.roles["embed"]
        options = self.engines[name].model_copy(update={"embedder": model})
        return self.model_copy(update={"engines": {**self.engines, name: options}})

    @property
    def applications(self) -> dict[str, tuple[Role, ...]]:
        """The Serve applications that play roles, each with its roles.

        An engine is one application for all its roles; the embedded one answers and embeds in two, and plays the other
        roles inside the stages of ingest.
        """
        applications: dict[str, tuple[Role, ...]] = {}
        for role in self.roles:
            if self.engine(role).kind != "embedded" or role == "embed" or role in MODELS:
                name = self.application(role)
                applications[name] = (*applications.get(name, ()), role)
        return applications

    def application(self, role: Role) -> str:
        """The Serve application that answers for a role: what a call names in its `application` metadata."""
        name = self.roles[role]
        if self.engines[name].kind != "embedded":
            return f"engine-{name}"
        return "generate" if role in MODELS else role

    def replicas(self, application: str) -> int:
        """Processes of one of `applications`."""
        options = self.engine(self.applications[application][0])
        return 1 if isinstance(options, ScriptedOptions) else options.replicas


def parse_engine_config(text: str, overrides: Mapping[str, str] = {}) -> EngineConfig:
    """`overrides`: engines by role. Raises INVALID_ARGUMENT that lists every problem and says what to change."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise invalid(f"The engine configuration is not YAML: {error}") from error
    value = {} if value is None else value
    if not isinstance(value, dict):
        raise invalid("The engine configuration must have the keys 'engines' and 'roles'.")
    problems: list[str] = [
        f"{key}: not a part of the configuration, which has engines and roles"
        for key in value
        if key not in ("engines", "roles")
    ]
    engines = _engines(value.get("engines") or {}, problems)
    roles = _roles(value.get("roles") or {}, overrides, engines, problems)
    if problems:
        raise invalid("Bad engine configuration: " + "; ".join(problems) + ".", field="config")
    return EngineConfig(engines=engines, roles=roles)


def load_engine_config(settings: Settings) -> EngineConfig:
    """What ARCUS_CONFIG names, with ARCUS_ROLES over it; without a file every role is played by the embedded engine."""
    text = ""
    if settings.config:
        path = Path(settings.config)
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise invalid(f"{path} is no engine configuration: it is larger than {MAX_FILE_BYTES} bytes.")
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise invalid(f"ARCUS_CONFIG: {path} can't be read: {error}.", field="config") from error
    try:
        return parse_engine_config(text, parse_roles(settings.roles))
    except ArcusError as error:
        where = settings.config or "ARCUS_ROLES"
        raise invalid(f"{where}: {error.message}", field="config") from error


def parse_roles(text: str) -> dict[str, str]:
    """As 'nimbus-001=scripted,embed=mine'."""
    found: dict[str, str] = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        role, equals, name = (part.strip() for part in item.partition("="))
        if not equals or not name:
            raise invalid(f"ARCUS_ROLES: '{item}' must read ROLE=ENGINE.", field="roles")
        found[role] = name
    return found


def _engines(given: Any, problems: list[str]) -> dict[str, Any]:
    engines: dict[str, Any] = dict(BUILT_IN)
    if not isinstance(given, dict):
        problems.append("engines: must be a mapping of names to engines")
        return engines
    for name, options in given.items():
        place = f"engines.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            problems.append(f"{place}: a name has lower-case letters, digits and hyphens, at most 42")
            continue
        if not isinstance(options, dict):
            problems.append(f"{place}: must be a mapping that begins with its kind: {', '.join(KINDS)}")
            continue
        kind = options.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            problems.append(f"{place}.kind: must be one of {', '.join(KINDS)}, not {kind!r}")
            continue
        if name in BUILT_IN and kind != name:
            problems.append(f"{place}: this name is the built-in engine's; choose another")
            continue
        try:
            engines[name] = KINDS[kind].model_validate(options)
        except ValidationError as error:
            problems += [_told(place, KINDS[kind], item) for item in error.errors()]
            engines[name] = None  # its roles are not to be told of as well
    return engines


def _told(place: str, kind: type[_Options], item: Any) -> str:
    where = ".".join([place, *map(str, item["loc"])])
    if item["type"] == "extra_forbidden":
        options = ", ".join(name for name in kind.model_fields if name != "kind") or "none"
        return f"{where}: not an option of this kind, whose options are: {options}"
    if item["type"] == "missing":
        return f"{where}: missing; {kind.model_fields[str(item['loc'][0])].description}"
    return f"{where}: {item['msg'][:1].lower()}{item['msg'][1:]}"


def _roles(
    given: Any, overrides: Mapping[str, str], engines: Mapping[str, Any], problems: list[str]
) -> dict[Role, str]:
    roles: dict[Role, str] = dict.fromkeys(ROLES, "embedded")
    if not isinstance(given, dict):
        problems.append("roles: must be a mapping of roles to names of engines")
        return roles
    for role, name in {**given, **overrides}.items():
        if role not in TASKS:
            problems.append(f"roles.{role}: no such role; the roles are {', '.join(TASKS)}")
        elif not isinstance(name, str) or name not in engines:
            problems.append(f"roles.{role}: no engine is named {name!r}; there are {', '.join(engines)}")
        else:
            roles[role] = name
    for name, options in engines.items():
        played = [role for role in roles if roles[role] == name]
        if options is None or not played:
            continue
        if unfit := [role for role in played if (role == SEE) != (options.kind == "image_text")]:
            problems.append(
                f"roles.{unfit[0]}: engine {name} is of kind {options.kind}; the role see is played by the kind image_text, "
                "which plays no other"
            )
            continue
        if options.kind == "scripted" and (other := [role for role in played if role not in MODELS]):
            problems.append(
                f"roles.{other[0]}: engine {name} is scripted, which only answers ({', '.join(MODELS)}); "
                "choose another engine"
            )
        tasks = {TASKS[role]: role for role in played}
        if options.kind in ("vllm", "openai") and len(tasks) > 1:
            problems.append(
                f"engines.{name}: one model can't play {' and '.join(tasks.values())}; give each an engine of its own"
            )
    return roles
