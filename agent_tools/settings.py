"""The settings of an installation, from the environment; read where things are wired, and by kinds."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent_tools.embedded import Home, Runtime, default_home
from agent_tools.jobs.context import seconds
from agent_tools.jobs.errors import Misconfigured
from agent_tools.jobs.places import Place, place_of

NOTICE_SERVICES = (
    "mailto", "mailtos", "ntfy", "ntfys", "gotify", "gotifys", "pover", "pbul", "bark", "barks", "slack", "discord", "gchat", "workflows",
    "wxteams", "mmost", "mmosts", "rocket", "rockets", "zulip", "matrix", "matrixs", "tgram", "signal", "signals", "whatsapp", "threema",
)  # fmt: skip
"""What only carries a message to a person. Others of apprise post to any address, or act on the machine itself."""
_LEAST_REMIND_S = 3600.0
Words = Annotated[tuple[str, ...], NoDecode]
_PASSWORD = re.compile(r"""\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]*)""", re.IGNORECASE)


class Settings(BaseSettings):
    """Each field is the environment variable of its alias; unset means the default shown by `backburner config`."""

    model_config = SettingsConfigDict(extra="ignore", env_ignore_empty=True)

    database_url: str = Field("", alias="DATABASE_URL", description="Postgres 15 or newer; unset: the embedded one")
    redis_url: str = Field("", alias="REDIS_URL", description="Redis or Valkey; unset: the embedded one")
    home: Path = Field(
        default_factory=default_home,
        alias="BACKBURNER_HOME",
        description="where embedded servers, artifacts and runtime.json live",
    )
    port: int = Field(8808, alias="BACKBURNER_PORT", ge=1, le=65535, description="where pages, API and /mcp are served")
    public_url: str = Field(
        "",
        alias="BACKBURNER_PUBLIC_URL",
        description="the address under which people reach this installation, behind a proxy",
    )
    queues: Words = Field(
        ("default", "media"), alias="BACKBURNER_QUEUES", description="the queues that workers here serve, by comma"
    )
    kinds: Words = Field(
        (), alias="BACKBURNER_KINDS", description="the kinds switched on here, by comma; unset: all installed"
    )
    drills: bool = Field(
        False, alias="BACKBURNER_DRILLS", description="offer the kind 'drill', for operators and tests"
    )
    max_jobs: int = Field(
        10, alias="BACKBURNER_MAX_JOBS", ge=1, le=1000, description="jobs that one worker runs at once"
    )
    max_running_per_kind: int | None = Field(
        None,
        alias="BACKBURNER_MAX_RUNNING_PER_KIND",
        ge=1,
        description="how many jobs of one kind run at once in a tenant, where the kind says nothing else; unset: as many as there are slots",
    )
    lease_s: float = Field(
        15, alias="BACKBURNER_LEASE_S", ge=0.5, le=600, description="how long a silent worker keeps its jobs"
    )
    sweep_s: float = Field(
        1, alias="BACKBURNER_SWEEP_S", ge=0.1, le=60, description="how often lost jobs are looked for"
    )
    artifacts_url: str = Field(
        "",
        alias="BACKBURNER_ARTIFACTS_URL",
        description="where artifacts and uploads lie: a folder, s3://bucket/prefix, gs://… or az://…; unset: a folder in BACKBURNER_HOME",
    )
    llm_base_url: str = Field(
        "",
        alias="LLM_BASE_URL",
        description="an OpenAI-compatible chat server, such as http://127.0.0.1:11434/v1; unset: nothing is written by a model",
    )
    llm_model: str = Field("", alias="LLM_MODEL", description="the model to ask there, as the server calls it")
    llm_api_key: SecretStr = Field(
        SecretStr(""), alias="LLM_API_KEY", description="the server's key, where it wants one"
    )
    llm_timeout_s: float = Field(
        300, alias="LLM_TIMEOUT_S", ge=1, le=3600, description="how long one answer may take, with all tries"
    )
    llm_price_in: float | None = Field(
        None,
        alias="LLM_PRICE_IN",
        ge=0,
        description="what a million tokens read by the model cost; unset: no cost is told",
    )
    llm_price_out: float | None = Field(
        None, alias="LLM_PRICE_OUT", ge=0, description="what a million tokens written by the model cost"
    )
    presenton_url: str = Field(
        "",
        alias="PRESENTON_URL",
        description="a self-hosted Presenton that makes decks, such as http://127.0.0.1:5001; unset: all are made here",
    )
    presenton_public_url: str = Field(
        "",
        alias="PRESENTON_PUBLIC_URL",
        description="where people reach it, for the link to edit a deck; unset: PRESENTON_URL",
    )
    presenton_username: str = Field(
        "", alias="PRESENTON_USERNAME", description="Presenton's administrator, up to its release 0.9.1"
    )
    presenton_password: SecretStr = Field(
        SecretStr(""), alias="PRESENTON_PASSWORD", description="the password that belongs to it"
    )
    presenton_api_key: SecretStr = Field(
        SecretStr(""),
        alias="PRESENTON_API_KEY",
        description="instead of both, a key of a newer Presenton (sk-presenton-…)",
    )
    presenton_silence_s: float = Field(
        900,
        alias="PRESENTON_SILENCE_S",
        ge=1,
        le=86_400,
        description="how long a deck may show no progress there before it is given up",
    )
    presenton_timeout_s: float = Field(
        3600, alias="PRESENTON_TIMEOUT_S", ge=1, le=604_800, description="how long a deck may take there in all"
    )
    opus_service_key: SecretStr = Field(
        SecretStr(""), alias="OPUS_SERVICE_KEY", description="the key of an account at opus.com, for the kind opus_run"
    )
    opus_base_url: str = Field(
        "https://operator.opus.com", alias="OPUS_BASE_URL", description="where Opus's Job Operator API is asked"
    )
    opus_workflow_id: str = Field(
        "", alias="OPUS_WORKFLOW_ID", description="the workflow of Opus that is run where none is named"
    )
    files: str = Field(
        "",
        alias="BACKBURNER_FILES",
        description="the folder below which jobs may read files that they are told of as file:…; unset: none",
    )
    upload_mb: float = Field(
        2000, alias="BACKBURNER_UPLOAD_MB", gt=0, description="the largest file that may be uploaded, in MB"
    )
    upload_days: float = Field(
        7,
        alias="BACKBURNER_UPLOAD_DAYS",
        gt=0,
        le=3650,
        description="for how many days an upload is kept after it came or was last used, and longer where a job needs it",
    )
    keep_days: int | None = Field(
        None,
        alias="BACKBURNER_KEEP_DAYS",
        ge=1,
        le=36_500,
        description="for how many days completed jobs are kept that nobody filed under a subject; unset: for ever, as those that are filed",
    )
    most_media_mb: int = Field(
        1000, alias="BACKBURNER_MEDIA_MB", ge=1, le=100_000, description="how large a recording that is fetched may be"
    )
    whisper_model: str = Field(
        "",
        alias="WHISPER_MODEL",
        description="what hears speech: the folder of a faster-whisper model, or its name in the local cache; "
        "unset: tiny.en of the extra 'whisper-tiny-en'",
    )
    allow_loopback: bool = Field(
        False,
        alias="BACKBURNER_ALLOW_LOOPBACK",
        description="let jobs fetch from this machine itself, for development and tests",
    )
    agents_decide: bool = Field(
        False,
        alias="BACKBURNER_AGENTS_DECIDE",
        description="offer agents the tool answer_job, for tokens with the scope jobs:answer",
    )
    agents_delete: bool = Field(
        False,
        alias="BACKBURNER_AGENTS_DELETE",
        description="offer agents the tool delete_jobs, for tokens with the scope jobs:cancel",
    )
    self_answer: bool = Field(
        False,
        alias="BACKBURNER_SELF_ANSWER",
        description="let everybody answer the questions of jobs that they asked for themselves, too",
    )
    ask_in_chat: bool = Field(
        True,
        alias="BACKBURNER_ASK_IN_CHAT",
        description="put questions to people in their chat, too, where the client can show a form; it is trusted to ask them",
    )
    notice_services: Words = Field(
        NOTICE_SERVICES,
        alias="BACKBURNER_NOTICE_SERVICES",
        description="the services that people may be told by, by comma, as apprise calls them",
    )
    notice_hosts: Words = Field(
        (),
        alias="BACKBURNER_NOTICE_HOSTS",
        description="hosts of your own network that notices may go to, by comma, such as ntfy.home.arpa; unset: public ones only",
    )
    notice_mail: SecretStr = Field(
        SecretStr(""),
        alias="BACKBURNER_NOTICE_MAIL",
        description="your mail server, such as mailtos://user:password@host?from=backburner@host: people then need to give no more than their mail address",
    )
    remind: Words = Field(
        ("1d", "3d", "7d"),
        alias="BACKBURNER_REMIND",
        description="after which pauses people are told again of what still waits for them, the last one again and again; off: never",
    )
    log_level: str = Field("INFO", alias="BACKBURNER_LOG_LEVEL", description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("queues", "kinds", "notice_services", "notice_hosts", "remind", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("remind")
    @classmethod
    def _only_pauses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("off",) and any(seconds(pause) < _LEAST_REMIND_S for pause in value):
            raise ValueError("a pause of less than an hour reminds nobody of anything; write 1d,3d,7d, or off")
        return value

    @field_validator("notice_mail")
    @classmethod
    def _only_mail(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not re.match(r"mailtos?://[^/]", value.get_secret_value()):
            raise ValueError("must begin with mailto:// or mailtos://")
        return value

    @field_validator("artifacts_url")
    @classmethod
    def _only_places(cls, value: str) -> str:
        if "://" in value and not re.match(r"file:///|(s3|gs|az)://[^/?#@\s]+(/[^?#\s]*)?$", value):
            raise ValueError(
                "must be a folder (a path or file:///…), s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
            )
        return value

    @field_validator("opus_base_url")
    @classmethod
    def _an_origin(cls, value: str) -> str:
        if not re.match(r"https?://[^/]", value):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("llm_base_url")
    @classmethod
    def _only_web(cls, value: str) -> str:
        if value and not re.match(r"https?://[^/]", value):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/").removesuffix("/chat/completions")

    @field_validator("presenton_url", "presenton_public_url")
    @classmethod
    def _only_a_place(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", value):
            raise ValueError("must be http:// or https:// and a host, without a name or a password")
        return value.rstrip("/").removesuffix("/api/v1")

    @classmethod
    def read(cls) -> "Settings":
        """The environment's. Raises Misconfigured, naming each bad variable."""
        try:
            return cls()
        except ValidationError as error:
            wrong = "; ".join(f"{'/'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
            raise Misconfigured(f"The settings are not usable. {wrong}") from error

    @property
    def beat_s(self) -> float:
        """How often a worker renews its leases: two beats may be lost."""
        return self.lease_s / 3

    @property
    def remind_s(self) -> tuple[float, ...]:
        """The pauses before people are told again; none: they are not."""
        return () if self.remind == ("off",) else tuple(map(seconds, self.remind))

    @property
    def artifacts(self) -> Place:
        """Where artifacts and uploads lie."""
        home = Home(self.home)
        return place_of(self.artifacts_url or str(home.artifacts), spool=home.path / "spool")

    def address(self) -> str | None:
        """Where this installation is served just now; None where it is not."""
        runtime = None if self.public_url else Runtime.read(Home(self.home))
        return self.public_url.rstrip("/") or (runtime.http_url if runtime else None)

    def attached(self) -> "Settings":
        """These settings with the addresses of the running `up` filled in. Raises Misconfigured when none runs."""
        if self.database_url and self.redis_url:
            return self
        runtime = Runtime.read(Home(self.home))
        if runtime is None:
            unset = " and ".join(
                name for name, url in (("DATABASE_URL", self.database_url), ("REDIS_URL", self.redis_url)) if not url
            )
            raise Misconfigured(
                f"{unset}: not set, and no 'backburner up' runs with home {self.home}. Start it, or set them."
            )
        return self.model_copy(
            update={
                "database_url": self.database_url or runtime.database_url,
                "redis_url": self.redis_url or runtime.redis_url,
            }
        )

    def shown(self) -> dict[str, tuple[str, str]]:
        """Variable → its value as the environment would say it, with secrets masked, and what it is for."""
        return {
            str(field.alias): (masked(_as_said(getattr(self, name))), field.description or "")
            for name, field in type(self).model_fields.items()
        }


def _as_said(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ",".join(map(str, value))
    return str(value)


def masked(url: str) -> str:
    """The same without the password that an address may carry, in whatever of its places."""
    url = _PASSWORD.sub(r"\1•••", url)
    scheme, sep, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    if not sep or not at or ":" not in credentials:
        return url
    return f"{scheme}://{credentials.partition(':')[0]}:•••@{host}"
