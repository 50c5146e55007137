"""How conversation trees grow."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from aloe.config.own_code import own_code
from aloe.config.settings import Settings
from aloe.plugins import entry_points

EXPANSION_NAMES = ("sample", "preferred", "both", "beam", "disagreement")
"""Policies that come with the program; see `aloe.graphs.expansion`."""

Mood = Literal["curt", "chatty", "contradictory", "typos"]
"""A way of writing that a simulated user can have on top of the persona's; see
`aloe.agents.mood`."""


class RolloutConfig(Settings):
    """How replies of finished trees are continued, so that returns can be told apart."""

    count: int = Field(default=0, ge=0)
    """Continuations that each compared reply is to have; 0: those that it has."""
    policy: str | None = None
    """Name of the assistant that answers in them; None: one is drawn for each reply."""
    horizon: int = Field(default=3, ge=2)
    """Turns that a continuation reaches, that of the continued reply included; none goes beyond the
    turns of the trees."""
    until_turn: int | None = Field(default=None, ge=1)
    """Last turn whose replies are continued; None: all that the trees have turns below."""


class SimulationConfig(Settings):
    """How conversation trees grow."""

    trees: int = Field(default=3, ge=1)
    """Number of trees; if there are more trees than personas, personas repeat with another seed."""
    turns: int = Field(default=3, ge=1)
    """User messages on every path."""
    expansion: Annotated[str, own_code("expansions")] = "sample"
    """Which candidates are continued. `sample`: one at random (the paper). `preferred`: the
    judge's choice, one at random where it has none. `both`: all of them. `beam`: the best of a
    turn over all branches. `disagreement`: all where the judge is divided, else one at random.
    `MODULE:FUNCTION`, or in Python the function itself: a custom policy (see
    `aloe.graphs.expansion.Expansion`)."""
    beam_width: int = Field(default=2, ge=1)
    """Candidates that `beam` continues per turn."""
    node_budget: int | None = Field(default=None, ge=3)
    """Maximum nodes per tree, rollouts aside; None for no limit. Branches are dropped so that the
    remaining ones reach the last turn; one path continues as long as an exchange fits."""
    budget_keeps: str = ""
    """The assistant to whose replies users react on the branches that a node budget keeps first;
    empty: which ones it keeps is drawn."""
    both_turns: int = Field(default=0, ge=0)
    """Number of first turns at which all candidates are continued, whatever `expansion` says."""
    moods: tuple[Mood, ...] = ()
    """Moods of users, one drawn for each tree; empty: everybody writes as the persona does."""
    rollouts: RolloutConfig = RolloutConfig()
    """Further continuations, of an extended run (`aloe.graphs.rollouts`)."""
    stop_when_done: bool = False
    """Whether a branch ends early, at a farewell or when its user has nothing left to tell."""
    user_window: int | None = Field(default=None, ge=0)
    """Past exchanges in the simulated user's prompt; None for all. Very small models lose the
    thread in long prompts."""
    user_words: int = Field(default=60, ge=1)
    """Maximum words in a user's message; a longer one is requested again."""
    check_ledger: bool = True
    """Whether messages are checked against the persona: recall and precision of the inducer, drift,
    and mind-reading, which is then never exported. About 30 ms of CPU per turn."""
    concurrency: int = Field(default=8, ge=1)
    """Trees in flight at once."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that grow trees. None: one per 128 trees in flight, up to the number of cores, and
    only one if a model lives in this process or a budget must be exact to the call."""
    engine: Literal["local", "ray"] = "local"
    """Where the workers run: in processes on this machine, or on a Ray cluster."""
    ray_address: str | None = None
    """The cluster: `auto` or HOST:PORT. None: Ray is started on this machine for this run."""
    checkpoints: Literal["postgres"] | None = None
    """Where every step of a tree is saved in addition to the run folder, for runs whose machine may
    be lost (`aloe.graphs.checkpoints`): in the Postgres that PGHOST and so on name. None:
    nowhere."""

    @model_validator(mode="after")
    def _address_is_of_ray(self) -> Self:
        if self.ray_address and self.engine != "ray":
            raise ValueError('ray_address is for engine = "ray" (--engine ray)')
        return self

    @model_validator(mode="after")
    def _keeping_takes_a_budget(self) -> Self:
        if self.budget_keeps and self.node_budget is None:
            raise ValueError("budget_keeps says what a node_budget keeps: set one")
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
