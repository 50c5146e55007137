"""Settings: one object for all verbs, read from TOML, saved resolved into the run folder.

Every knob has a default that works with nothing but the installed packages. A file may set any
part of it; flags win over the file. The resolved settings are written to `config.toml` in the run
folder, so that a run can be repeated, compared and resumed; a later run into the same folder must
agree with them, except for what cannot change a tree (`FREE_ON_RESUME`).

Secrets have no place here: settings hold the *name* of the environment variable with the key.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, cast, get_args

import tomli_w
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from aloe.errors import ConfigError, InputError
from aloe.models.instances import is_chat, name_of
from aloe.plugins import entry_points
from aloe.secrets import check_base_url, check_model_url, refuse_secrets

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

DEFAULT_MODEL = "local:smollm2-135m"

PAID = ("openai", "langchain", "community", "instance")
"""Providers whose models have to be paid: without a price, what they cost is unknown."""

EXPANSION_NAMES = ("sample", "preferred", "both", "beam", "disagreement")
"""Policies that come with the program; see `aloe.graphs.expansion`."""

FREE_ON_RESUME = (
    "simulation.trees",
    "simulation.concurrency",
    "simulation.workers",
    "simulation.engine",
    "simulation.ray_address",
    "simulation.checkpoints",
    "personas.",
    "models.writer.",
    "prices.",
    "training.",
    "benchmark.",
    "experiment.",
    "limits.",
    "budget.",
)
"""Settings that may differ when a run is taken up again: they cannot change any one tree."""


class Settings(BaseModel):
    """Base of every section: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


S = TypeVar("S", bound=Settings)


class ModelConfig(Settings):
    """One chat model in one role; a bare string in TOML is short for `{model = "..."}`."""

    model: str = DEFAULT_MODEL
    """`PROVIDER:NAME[@BASE_URL]`; see `aloe.models.providers`. In Python, a LangChain chat model as
    well:
    it is kept in this process, and settings hold the name that it gets here."""
    base_url: str | None = None
    """OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1; None: the provider's own."""
    api_key_env: str | None = None
    """Environment variable that holds the key. None: OPENAI_API_KEY for OpenAI's own endpoint
    and no key for any other, so that a key is never sent where it was not meant to go."""
    temperature: float | None = Field(default=None, ge=0)
    """None: the role's default."""
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    """Upper limit of one reply in tokens; None: the role's default."""
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    timeout: float = Field(default=120.0, gt=0)
    """Seconds after which a call counts as failed."""
    max_reply_bytes: int = Field(default=4_000_000, ge=1)
    """Most bytes of an answer, unpacked; a longer one is not read, and its call is tried again."""
    logprobs: bool = True
    """Whether to ask for log-probabilities where a role can use them."""
    top_logprobs: int = Field(default=20, ge=1)
    """Alternatives asked for at a position; OpenAI gives 20 at most, others fewer."""
    reasoning: Literal["auto", "off", "minimal", "low", "medium", "high"] = "auto"
    """How much the model thinks before it answers. `auto`: as its server has it."""
    omit: tuple[str, ...] = ()
    """Parameters that are never sent, such as `seed` or `temperature`. Those that a server refuses
    are left out without it (see `aloe.models.parameters`)."""
    max_tokens_field: str | None = None
    """Name under which `max_tokens` is sent. None: the client's own, or what a server asks for."""
    system: Literal["system", "user"] = "system"
    """Role of the instructions; `user`: they open the first user message."""
    options: dict[str, Any] = {}
    """Further keyword arguments for the LangChain class, as they are."""

    @field_validator("model", mode="before")
    @classmethod
    def _is_named(cls, model: Any) -> Any:
        return name_of(model) if is_chat(model) else model

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        check_model_url(self.model)
        check_base_url(self.base_url)
        refuse_secrets("options", self.options)
        return self


def _model(raw: Any, defaults: Mapping[str, Any]) -> Any:
    """Return settings of one model with the role's defaults under them; a string is a model."""
    given = {"model": raw} if isinstance(raw, str) or is_chat(raw) else raw
    return {**defaults, **given} if isinstance(given, dict) else given


class AssistantConfig(ModelConfig):
    """One assistant agent: a model, and what it is told."""

    name: str
    """Recorded on every node that it writes; unique among the assistants."""
    hint: bool = False
    """Whether it is told what the user has revealed so far."""
    style: str | None = None
    """A wish about the manner of the reply, added to its prompt; None for none."""
    window: int | None = Field(default=None, ge=0)
    """Past exchanges that it rereads; None for all. Very small models repeat what they find there,
    and reading takes them longer than writing."""


ROLE_DEFAULTS: dict[str, dict[str, Any]] = {
    "user": {"temperature": 0.7, "top_p": 0.9, "max_tokens": 80},
    "inducer": {"temperature": 0.0, "max_tokens": 80},
    "assistants": {"temperature": 0.8, "max_tokens": 160},
    "judge": {"temperature": 0.0, "max_tokens": 8},
    "writer": {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0.4, "max_tokens": 100},
}
CANDIDATE_DEFAULTS: dict[str, Any] = {"temperature": 0.7, "max_tokens": 300}
"""Sampling settings of each role where the settings leave them out."""


class ModelsConfig(Settings):
    """Which model plays which role; what is left out of a role comes from `ROLE_DEFAULTS`."""

    user: ModelConfig
    inducer: ModelConfig
    assistants: tuple[AssistantConfig, ...]
    """At least two, with different names."""
    judge: ModelConfig
    panel: tuple[ModelConfig, ...] = ()
    """Further judges that vote beside `judge`; empty for a single judge."""
    writer: ModelConfig

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        pair = [{"name": "hinted", "hint": True}, {"name": "plain"}]
        filled = {role: _model(raw.get(role, {}), ROLE_DEFAULTS[role]) for role in ROLE_DEFAULTS}
        assistants = raw.get("assistants", pair)
        if isinstance(assistants, list | tuple):
            filled["assistants"] = [
                _model(each, ROLE_DEFAULTS["assistants"]) for each in assistants
            ]
        if isinstance(panel := raw.get("panel"), list | tuple):
            filled["panel"] = [_model(each, ROLE_DEFAULTS["judge"]) for each in panel]
        return {**raw, **filled}

    @model_validator(mode="after")
    def _assistants_differ(self) -> Self:
        names = [assistant.name for assistant in self.assistants]
        if len(names) < 2:
            raise ValueError("at least two assistants are needed: the judge compares them")
        if len(set(names)) < len(names):
            raise ValueError(f"assistants need different names, got {', '.join(names)}")
        if (ROLE_DEFAULTS.keys() | self.judges().keys()) & set(names):
            raise ValueError("an assistant cannot be named after another role")
        return self

    def by_role(self) -> dict[str, ModelConfig]:
        """Return every model in use under the name of its agent."""
        named = {a.name: a for a in self.assistants}
        return {"user": self.user, "inducer": self.inducer, **named, **self.judges()}

    def judges(self) -> dict[str, ModelConfig]:
        """Return every judge that votes under its name: `judge`, `judge2` and so on."""
        further = {f"judge{number}": each for number, each in enumerate(self.panel, 2)}
        return {"judge": self.judge, **further}


Stage = Literal["user", "inducer", "assistant", "judge"]
"""A step of an exchange, in this order."""

Place = Literal[
    "before user", "after user", "after inducer", "after assistant", "after judge",
    "among assistants",
]  # fmt: skip
"""Where a role of the user's own works; `before X` is the same as `after` what X follows."""

OWN_ROLE_DEFAULTS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 160}
"""Sampling settings of a role of the user's own where the settings leave them out."""


class RoleConfig(Settings):
    """A role of the user's own (see `aloe.agents.roles`); other keys are arguments of the role."""

    model_config = ConfigDict(extra="allow")

    use: str
    """`MODULE:NAME`, or the name of an installed entry point of the group `aloe.roles`."""
    before: Stage | None = None
    after: Stage | None = None
    among: Literal["assistants"] | None = None
    """Where it works; at most one of the three. None of them: where the role itself says."""
    model: Annotated[ModelConfig, BeforeValidator(lambda raw: _model(raw, OWN_ROLE_DEFAULTS))] = (
        ModelConfig(**OWN_ROLE_DEFAULTS)
    )
    """What it asks; opened only if it has a prompt."""

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if sum(bool(each) for each in (self.before, self.after, self.among)) > 1:
            raise ValueError("give one of before, after and among")
        refuse_secrets("a role", self.arguments)
        return self

    @property
    def arguments(self) -> dict[str, Any]:
        """What the role is made with: the keys that are not settings of ours."""
        return self.model_extra or {}

    @property
    def place(self) -> Place | None:
        """Where settings put it; None: where the role itself says."""
        return place_of(before=self.before, after=self.after, among=self.among)


def place_of(
    *, before: Stage | None = None, after: Stage | None = None, among: str | None = None
) -> Place | None:
    """Return the place that one of the three names; None if none is given."""
    if among:
        return "among assistants"
    if before == "user":
        return "before user"
    if before:
        stages = get_args(Stage)
        after = stages[stages.index(before) - 1]
    return cast(Place, f"after {after}") if after else None


Mood = Literal["curt", "chatty", "contradictory", "typos"]
"""A way of writing that a simulated user can have on top of the persona's; see
`aloe.agents.mood`."""


class SimulationConfig(Settings):
    """How conversation trees grow."""

    trees: int = Field(default=3, ge=1)
    """How many trees; with more trees than personas, personas return with another seed."""
    turns: int = Field(default=3, ge=1)
    """User messages on every path."""
    expansion: str = "sample"
    """Which candidates are continued. `sample`: one at random (the paper). `preferred`: the
    judge's choice, one at random where it has none. `both`: all of them. `beam`: the best of a
    turn over all branches. `disagreement`: all where the judge is divided, else one at random.
    `MODULE:FUNCTION`: a policy of your own (see `aloe.graphs.expansion.Expansion`)."""
    beam_width: int = Field(default=2, ge=1)
    """Candidates that `beam` continues a turn."""
    node_budget: int | None = Field(default=None, ge=3)
    """Most nodes of a tree; None for no limit. Branches are dropped so that those that stay reach
    the last turn; one path goes on as long as an exchange fits."""
    both_turns: int = Field(default=0, ge=0)
    """Number of first turns at which all candidates are continued, whatever `expansion` says."""
    moods: tuple[Mood, ...] = ()
    """Moods of users, one drawn for each tree; empty: everybody writes as the persona does."""
    stop_when_done: bool = False
    """Whether a branch ends early, at a farewell or when its user has nothing left to tell."""
    user_window: int | None = Field(default=None, ge=0)
    """Past exchanges that the simulated user rereads; None for all. Very small models lose the
    thread in long prompts."""
    user_words: int = Field(default=60, ge=1)
    """Most words of a user's message; a longer one is asked for again."""
    check_ledger: bool = True
    """Whether what was said is held against the persona: recall and precision of the inducer,
    drift, and mind-reading, which then is never exported. About 30 ms of CPU a turn."""
    concurrency: int = Field(default=8, ge=1)
    """Trees in flight at once."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that grow trees. None: one for every 128 trees in flight, but no more than cores,
    and only one where a model lives in this process or a budget is to be kept to the call."""
    engine: Literal["local", "ray"] = "local"
    """Where the workers are: processes of this machine, or the machines of a Ray cluster."""
    ray_address: str | None = None
    """The cluster: `auto` or HOST:PORT. None: a Ray of its own on this machine, for this run."""
    checkpoints: Literal["postgres"] | None = None
    """Where every step of a tree is kept beside the run folder, for runs whose machine may be lost
    (`aloe.graphs.checkpoints`): in the Postgres that PGHOST and its like name. None: nowhere."""

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> Self:
        if self.ray_address and self.engine != "ray":
            raise ValueError('ray_address is for engine = "ray" (--engine ray)')
        return self

    @field_validator("expansion")
    @classmethod
    def _expansion_is_known(cls, name: str) -> str:
        if name in EXPANSION_NAMES or ":" in name:
            return name
        installed = [point.name for point in entry_points("expansions")]
        if name not in installed:
            known = ", ".join([*EXPANSION_NAMES, *installed])
            raise ValueError(f"'{name}' is none of {known}, MODULE:FUNCTION")
        return name


Criterion = Literal["style", "content", "humanness", "no_mind_reading"]
"""What a judge can be asked about instead of the reply as a whole."""


MIN_MASS = 0.5
"""Probability that a judge's answer begins with a word that it may say, from which its
log-probabilities are read. Below that the model was about to say something else."""


Schedule = Literal["round_robin", "tournament"]
"""Which of more than two candidates are compared; see `aloe.agents.schedule`."""


class JudgeConfig(Settings):
    """How two replies are compared."""

    min_margin: float = Field(default=0.05, ge=0)
    """Smallest absolute log-odds, averaged over both orders, that counts as a preference."""
    min_mass: float = Field(default=MIN_MASS, ge=0, le=1)
    """Smallest probability of A, B and TIE together (of the digits, for a rating) from which
    log-probabilities are read; below it the judge's text is."""
    criteria: dict[Criterion, Annotated[float, Field(gt=0)]] = {}
    """Weight of each criterion to be asked about on its own; empty: one question for all."""
    passport: Path | None = None
    """What `aloe judge audit` wrote about this very judge; gives verdicts a confidence."""
    rules: bool = True
    """Whether personas whose wishes a program can check are judged by counting, without a model."""
    schedule: Schedule = "round_robin"
    """With more than two candidates: `round_robin` compares every pair, `tournament` only those
    whose order earlier verdicts do not imply."""
    use: str | None = None
    """A judge of your own in place of the model: `MODULE:NAME` or an entry point of `aloe.judges`
    (see `aloe.agents.roles`)."""
    options: dict[str, Any] = {}
    """Arguments of the judge that `use` names."""

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        refuse_secrets("options", self.options)
        return self


class PersonasConfig(Settings):
    """How the persona pool grows."""

    target: int = Field(default=100, ge=1)
    """Personas wanted in the pool."""
    seeds: Path | None = None
    """Folder with profiles.jsonl and personalities.jsonl; None: the seeds shipped."""
    threshold: float = Field(default=0.71, gt=0, le=1)
    """Cosine similarity at which two descriptions count as the same; it belongs to the embedder,
    and `aloe personas calibrate` says what it costs either way."""
    batch: int = Field(default=4, ge=1)
    """Writer calls in flight at once."""
    window: int = Field(default=60, ge=1)
    """Candidates over which the acceptance rate is taken."""
    min_acceptance: float = Field(default=0.05, ge=0, le=1)
    """Acceptance rate over the window under which the pool counts as saturated."""
    examples: int = Field(default=3, ge=0)
    """Earlier descriptions shown to the writer with each brief."""
    embedder: str = "minilm"
    """What makes the vectors: `minilm` (in this process) or `openai:NAME[@BASE_URL]`."""
    store: str | None = None
    """URL of a Chroma server that several machines fill; None: a folder beside the pool."""
    validators: tuple[str, ...] = ()
    """Rules of your own: `MODULE:FUNCTION` or entry points of `aloe.validators`. Each gets a
    description (`aloe.memory.descriptions`) and returns why to refuse it, None if it may stay."""


class TrainingConfig(Settings):
    """How a model is trained on trees."""

    model: str = DEFAULT_MODEL
    """The base: a folder, a GGUF file, an embedded model or a name in the local hub cache."""
    lora: bool = True
    """Whether low-rank adapters are trained instead of all weights."""
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    """Scale of the adapter: its output counts alpha/rank times."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    target_modules: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = (
        "all-linear"
    )
    """Which layers get adapters, by the last part of their name, such as `["q_proj", "v_proj"]`;
    `all-linear`: all linear layers but the output's."""
    tree_packing: bool = True
    """Whether SFT and DPO compute a shared prefix once; the others never do."""
    row_tokens: int = Field(default=2048, ge=1)
    """Tokens in one packed row, which is one micro-batch; memory grows with it."""
    max_length: int | None = Field(default=None, ge=2)
    """Longest conversation in tokens; a longer one is an error. None: the model's own limit."""
    thoughts: Literal["masked", "trained"] = "masked"
    """Whether what stands before an answer as thoughts, an empty block included, is learnt too."""
    weighted: bool = False
    """Whether DPO pairs count by the judge's agreement over the pairs sharing their prompt."""
    reward: str | None = None
    """What GRPO maximises: `rules` (wishes that a program can check), `judge` (the model of that
    role rates), `MODULE:FUNCTION`, or the folder of a reward model."""
    horizon: int = Field(default=0, ge=0)
    """Turns that GRPO plays out with the simulated user after each reply; the reward is the mean
    over the reply and these."""
    arguments: dict[str, Any] = {}
    """Further arguments of TRL's config class for the method, as they are."""


Condition = Literal["candidate", "floor", "ceiling", "no-history", "concise", "shuffled"]
"""What a benchmarked model works under; see `aloe.agents.candidate`."""


class BenchmarkConfig(Settings):
    """What is benchmarked; the simulated user and the judges are those of `models`."""

    candidate: ModelConfig = Field(
        default_factory=lambda: ModelConfig.model_validate(CANDIDATE_DEFAULTS)
    )
    """The model under test."""
    condition: Condition = "candidate"
    """`candidate`: it gets the conversation and nothing else. The others are controls."""
    cases: str = "aloe-100"
    """A suite (see `aloe bench list`), or a file of cases."""
    seeds: int = Field(default=3, ge=1)
    """Dialogues held for each case."""
    limit: int | None = Field(default=None, ge=1)
    """Most cases; None for all. The same few are taken every time."""

    @field_validator("candidate", mode="before")
    @classmethod
    def _fill_in(cls, raw: Any) -> Any:
        return _model(raw, CANDIDATE_DEFAULTS)


class ExperimentConfig(Settings):
    """How the experiment is made (`aloe experiment`; see docs/proof.md)."""

    train: int = Field(default=200, ge=1)
    validation: int = Field(default=16, ge=2)
    test: int = Field(default=24, ge=2)
    """Personas on each side."""
    dialogue_turns: int = Field(default=6, ge=2)
    """User messages of a dialogue in validation and test."""
    wishes: int = Field(default=4, ge=2)
    """Wishes of each persona that a program can check."""
    dimensions: tuple[str, ...] = ()
    """What wishes are about; empty: all that edits can serve. The fewer there are, the more often
    each wish is met in the same number of trees."""
    reserved: float = Field(default=0.12, gt=0, lt=1)
    """Share of the pairs of wishes that only test personas have."""
    rewriter: str = "plain"
    """Assistant whose replies a rule rewrites into one more candidate; empty: no such candidate."""
    stranger: str = ""
    """Assistant whose replies a rule rewrites, for wishes that nobody stated, into another; empty:
    no such candidate."""
    served: str = "local:{folder}"
    """Model string of a trained model; `{folder}` and `{name}` are filled in."""
    merged: bool = False
    """Whether adapters are put into their base (in 8 bits if that is a GGUF file) and served as
    whole models: quicker than an adapter beside its base."""
    at_once: int = Field(default=1, ge=1)
    """Stages at work side by side, each with models of its own; more than one pays where a GPU, or
    cores, would be idle."""
    sft: dict[str, Any] = {}
    dpo: dict[str, Any] = {}
    rl: dict[str, Any] = {}
    """Arguments of each training, over those in `training.arguments`."""
    dpo_trees: int | None = Field(default=None, ge=1)
    """Trees that DPO learns from, the first ones; None for all. Its reference reads every row
    before the first step, so fewer steps alone would save little."""
    rl_method: Literal["rejection", "grpo"] = "rejection"
    """`rejection`: the SFT model writes the candidates of new trees and learns from the best of
    them, one round. `grpo`: TRL's GRPO with the rule as its reward."""
    rl_trees: int = Field(default=40, ge=1)
    """Trees of the rejection round."""
    rl_candidates: int = Field(default=3, ge=2)
    """Replies that the SFT model writes in each turn of them."""
    ablation_trees: tuple[int, ...] = (25, 50, 100)
    """Numbers of trees on the way to all of them: the scaling curve."""
    ablation_turns: tuple[int, ...] = (1, 3)
    """Turns of which rows are kept."""
    ablation_judged: int | None = Field(default=None, ge=1)
    """Trees that a model judges anew, the first ones; None for all. It reads a dozen prompts for
    each turn of a tree."""


class TelemetryConfig(Settings):
    """What other programs are told of the calls; see `aloe.telemetry`."""

    spans: bool = False
    """Whether each call is sent as an OpenTelemetry span (needs the otel extra); where to, says
    the environment, as OTEL_EXPORTER_OTLP_ENDPOINT."""
    content: bool = False
    """Whether the spans hold what was said."""
    langsmith: bool = False
    """Whether LangChain may send what it does to LangSmith, as its own variables say."""


class Price(Settings):
    """What a model costs, in US dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    """For input tokens from the server's prefix cache; None: the same as `input`."""


class LimitsConfig(Settings):
    """How a server is spared; every server, known by its base URL, has these limits of its own."""

    concurrency: int | None = Field(default=None, ge=1)
    """Most calls at once; None: as many as the run has, fewer once the server shows strain."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """None: what the server says in its headers, if it does."""
    tokens_per_minute: float | None = Field(default=None, gt=0)
    """Tokens read and written; None: what the server says in its headers, if it does."""
    slow: float | None = Field(default=None, gt=0)
    """Seconds after which an answer is a sign of strain; None: half of the model's timeout."""
    tries: int = Field(default=5, ge=1)
    """How often a call is made that fails by itself; waiting for the server does not count."""
    backoff: float = Field(default=0.5, gt=0)
    """Seconds before the second try, doubled with each further one up to 30, less up to half."""
    patience: float = Field(default=300.0, gt=0)
    """Seconds for which a server may be gone, or ask us to wait, before the run stops."""


class BudgetConfig(Settings):
    """What a run folder may cost in all, earlier parts of its run included; None for no limit."""

    max_cost: float | None = Field(default=None, ge=0)
    """US dollars; every model in use needs a price."""
    max_calls: int | None = Field(default=None, ge=0)
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens read and written."""


Size = Literal["small", "full"]
"""For which models a prompt is written."""


class Config(Settings):
    """All settings of one run."""

    seed: int = 0
    models: ModelsConfig = Field(default_factory=lambda: ModelsConfig.model_validate({}))
    personas: PersonasConfig = PersonasConfig()
    simulation: SimulationConfig = SimulationConfig()
    judge: JudgeConfig = JudgeConfig()
    training: TrainingConfig = TrainingConfig()
    experiment: ExperimentConfig = ExperimentConfig()
    telemetry: TelemetryConfig = TelemetryConfig()
    benchmark: BenchmarkConfig = BenchmarkConfig()
    limits: LimitsConfig = LimitsConfig()
    budget: BudgetConfig = BudgetConfig()
    roles: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], RoleConfig] = {}
    """Roles of your own by name; they work in this order where they share a place."""
    prompts: dict[str, Path] = {}
    """Files of your own in place of shipped prompts, or of a role's, by the prompt's name."""
    prompt_size: Literal["auto"] | Size = "auto"
    """Which of the shipped prompts are used, where there are two: `small` for models that can do
    little more than go on with an example, `full` for all others; `auto`: by each agent's model
    (`agents.prompt_size`)."""
    prices: dict[str, Price] = {}
    """By model name as the provider writes it. Embedded models cost nothing; the cost of a model
    that is not listed is unknown, and shown so."""

    @model_validator(mode="after")
    def _roles_have_names_of_their_own(self) -> Self:
        taken = {*ROLE_DEFAULTS, *self.models.by_role()}
        if twice := next((name for name in self.roles if name in taken), None):
            raise ValueError(f"a role cannot be called '{twice}': another agent is")
        return self

    def with_model(self, model: "str | BaseChatModel | None", base_url: str | None) -> Self:
        """Return a copy in which every role uses `model` at `base_url`, None keeping its own.

        A panel is dismissed: one model in all its seats would only repeat itself.
        """
        change = {"model": model, "base_url": base_url}
        change = {key: value for key, value in change.items() if value is not None}
        if not change:
            return self
        raw = self.model_dump()
        raw["models"]["panel"] = []
        for role in ("user", "inducer", "judge", "writer"):
            raw["models"][role] |= change
        for assistant in raw["models"]["assistants"]:
            assistant |= change
        for role in raw["roles"].values():
            role["model"] |= change
        return validated(type(self), raw, source="--model/--base-url")

    def with_judge(self, model: str | None, base_url: str | None) -> Self:
        """Return a copy judged by `model` alone, no rules, at `base_url`; None keeps what is."""
        raw = self.model_dump()
        if model:
            raw["models"]["judge"] |= {"model": model, "base_url": None, "api_key_env": None}
            raw["models"]["panel"] = []
            raw["judge"] |= {"rules": False, "use": None, "options": {}}
        if base_url:
            raw["models"]["judge"]["base_url"] = base_url
        return validated(type(self), raw, source="command line")

    def toml(self) -> str:
        """Return the settings as TOML; keys whose value is None are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))


def validated(kind: type[S], raw: Mapping[str, Any], *, source: str | Path) -> S:
    """Build settings from `raw`.

    Raises:
        ConfigError: naming `source`, the key, what was wrong and the nearest known key.
    """
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
        if problem["type"] == "extra_forbidden":
            near = _suggestion(kind, key)
            raise ConfigError(f"{source}: unknown setting '{key}'{near}") from None
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{source}: {key}: {message}") from None


def _suggestion(kind: type[Settings], key: str) -> str:
    known = list(_known_keys(kind))
    by_last = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = difflib.get_close_matches(key, known, n=1) or [
        by_last[name]
        for name in difflib.get_close_matches(key.rpartition(".")[2], list(by_last), n=1)
    ]
    return f"; did you mean '{near[0]}'?" if near else ""


def _known_keys(kind: type[Settings], prefix: str = "") -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield prefix + name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Settings):
            yield from _known_keys(inner, f"{prefix}{name}.")


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read settings from a TOML file (None: defaults), then apply dotted `overrides`.

    Args:
        path: TOML file, or None.
        overrides: values by dotted key, such as `{"simulation.turns": 5}`; None values are skipped.

    Raises:
        InputError: the file is missing or is not TOML (with the line).
        ConfigError: a key is unknown or a value does not fit.
    """
    raw = _read_toml(path) if path else {}
    for key, value in (overrides or {}).items():
        if value is None:
            continue
        *sections, name = key.split(".")
        target = raw
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{path}: {section}: should be a section of settings")
        target[name] = value
    return validated(Config, raw, source=path or "command line")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not valid TOML: {error}") from None


def differences(old: Config, new: Config) -> list[str]:
    """Return one line for each setting that differs and matters for what a run contains."""
    before, after = shaping(old), shaping(new)
    return [
        f"{key}: {before.get(key)!r} there, {after.get(key)!r} now"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def shaping(config: Config) -> dict[str, Any]:
    """Return the settings that matter for what a run contains, by dotted name."""
    flat = _flat(config.model_dump(mode="json"))
    return {key: value for key, value in flat if not key.startswith(FREE_ON_RESUME)}


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{prefix}[{index}]")
    else:
        yield prefix, value
