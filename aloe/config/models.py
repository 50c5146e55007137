"""Which model plays which role."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from aloe.config.settings import Settings
from aloe.kept import keep_function
from aloe.models.instances import is_chat, keep_instance
from aloe.secrets import check_base_url, check_model_url, check_variable, refuse_secrets

DEFAULT_MODEL = "local:smollm2-135m"

PAID = ("openai", "langchain", "community", "instance")
"""Providers whose models have to be paid: without a price, what they cost is unknown."""


class ModelConfig(Settings):
    """One chat model in one role; a bare string in TOML is short for `{model = "..."}`."""

    short_for: ClassVar[str | None] = "model"
    tied: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "base_url": ("model",), "options": ("model",), "api_key_env": ("model", "base_url"),
    }  # fmt: skip

    model: str = DEFAULT_MODEL
    """`PROVIDER:NAME[@BASE_URL]`; see `aloe.models.providers`. In Python, also a LangChain chat
    model or a function: it stays in this process, and the settings hold a generated name."""
    base_url: str | None = None
    """OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1; None: the provider's own."""
    api_key_env: str | None = None
    """Environment variable with the key. None: OPENAI_API_KEY for OpenAI's own endpoint and no key
    for any other, so that a key is never sent to the wrong server."""
    temperature: float | None = Field(default=None, ge=0)
    """None: the role's default."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Upper limit of one reply in tokens; None: the role's default."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    timeout: float = Field(default=120.0, gt=0)
    """Seconds after which a call counts as failed."""
    max_reply_bytes: int = Field(default=4_000_000, ge=1)
    """Maximum size of an answer in bytes, uncompressed; a longer one is discarded and its call
    retried."""
    logprobs: bool = True
    """Whether to request log-probabilities if the role can use them."""
    top_logprobs: int = Field(default=20, ge=1)
    """Alternatives requested per position; OpenAI returns at most 20, others fewer."""
    reasoning: Literal["auto", "off", "minimal", "low", "medium", "high"] = "auto"
    """How much the model thinks before it answers. `auto`: the server's default."""
    omit: tuple[str, ...] = ()
    """Parameters that are never sent, such as `seed` or `temperature`. Those that a server refuses
    are dropped automatically (see `aloe.models.parameters`)."""
    max_tokens_field: str | None = None
    """Name under which `max_tokens` is sent. None: the client's own, or what a server asks for."""
    system: Literal["system", "user"] = "system"
    """Role of the instructions; `user`: they open the first user message."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further keyword arguments of the LangChain class; what is in `extra_body` and
    `model_kwargs` are fields of each request."""

    @field_validator("model", mode="before")
    @classmethod
    def _is_named(cls, model: Any) -> Any:
        if is_chat(model):
            return keep_instance(model)
        return keep_function(model) if callable(model) else model

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        check_model_url(self.model)
        check_base_url(self.base_url)
        check_variable(self.api_key_env)
        refuse_secrets("options", self.options)
        return self


def fill_in_model(raw: Any, defaults: Mapping[str, Any]) -> Any:
    """Return settings of one model with the role's defaults under them; a string is a model."""
    given = {"model": raw} if isinstance(raw, str) or is_chat(raw) or callable(raw) else raw
    if not isinstance(given, dict):
        return given
    named = {name: value for name, value in given.items() if value is not None}
    return {**given, **defaults, **named}


class AssistantConfig(ModelConfig):
    """One assistant agent: a model, and what it is told."""

    name: str
    """Recorded on every node that it writes; unique among the assistants."""
    hint: bool = False
    """Whether it gets a hint: what the user has revealed so far."""
    style: str | None = None
    """A wish about the manner of the reply, added to its prompt; None for none."""
    window: int | None = Field(default=None, ge=0)
    """Past exchanges in its prompt; None for all. Very small models repeat what they find there,
    and reading takes them longer than writing."""


ROLE_DEFAULTS: dict[str, dict[str, Any]] = {
    "user": {"temperature": 0.7, "top_p": 0.9, "max_tokens": 80},
    "inducer": {"temperature": 0.0, "max_tokens": 80},
    "assistants": {"temperature": 0.8, "max_tokens": 160},
    "judge": {"temperature": 0.0, "max_tokens": 8},
    "writer": {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0.4, "max_tokens": 100},
}
READER_DEFAULTS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 8}
CANDIDATE_DEFAULTS: dict[str, Any] = {"temperature": 0.7, "max_tokens": 300}
"""Sampling settings of each role where the settings leave them out."""


class ModelsConfig(Settings):
    """Which model plays which role; anything left out comes from `ROLE_DEFAULTS`."""

    user: ModelConfig
    inducer: ModelConfig
    assistants: tuple[AssistantConfig, ...]
    """At least two, with different names."""
    judge: ModelConfig
    panel: tuple[ModelConfig, ...] = ()
    """Further judges that vote beside `judge`; empty for a single judge."""
    writer: ModelConfig
    reader: Annotated[
        ModelConfig | None,
        BeforeValidator(lambda raw: raw and fill_in_model(raw, READER_DEFAULTS)),
    ] = None
    """Second reader of user messages in which the rules find no fault (see `aloe.agents.reader`);
    None: none."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        pair = [{"name": "hinted", "hint": True}, {"name": "plain"}]
        filled = {
            role: fill_in_model(raw.get(role, {}), ROLE_DEFAULTS[role]) for role in ROLE_DEFAULTS
        }
        assistants = raw.get("assistants", pair)
        if isinstance(assistants, list | tuple):
            filled["assistants"] = [
                fill_in_model(each, ROLE_DEFAULTS["assistants"]) for each in assistants
            ]
        if isinstance(panel := raw.get("panel"), list | tuple):
            filled["panel"] = [fill_in_model(each, ROLE_DEFAULTS["judge"]) for each in panel]
        return {**raw, **filled}

    @model_validator(mode="after")
    def _assistants_differ(self) -> Self:
        names = [assistant.name for assistant in self.assistants]
        if len(names) < 2:
            raise ValueError("at least two assistants are needed: the judge compares them")
        if len(set(names)) < len(names):
            raise ValueError(f"assistants need different names, got {', '.join(names)}")
        if (ROLE_DEFAULTS.keys() | self.judges().keys() | {"reader"}) & set(names):
            raise ValueError("an assistant cannot be named after another role")
        return self

    def by_role(self) -> dict[str, ModelConfig]:
        """Return every model in use under the name of its agent."""
        named = {a.name: a for a in self.assistants}
        read = {"reader": self.reader} if self.reader else {}
        return {"user": self.user, "inducer": self.inducer, **read, **named, **self.judges()}

    def judges(self) -> dict[str, ModelConfig]:
        """Return every judge that votes under its name: `judge`, `judge2` and so on."""
        further = {f"judge{number}": each for number, each in enumerate(self.panel, 2)}
        return {"judge": self.judge, **further}
