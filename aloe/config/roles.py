"""Custom roles."""

from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import BeforeValidator, ConfigDict, model_validator

from aloe.config.models import ModelConfig, fill_in_model
from aloe.config.own_code import own_code
from aloe.config.settings import Settings
from aloe.secrets import refuse_secrets

Stage = Literal["user", "inducer", "assistant", "judge"]
"""A step of an exchange, in this order."""

Place = Literal[
    "before user", "after user", "after inducer", "after assistant", "after judge",
    "among assistants",
]  # fmt: skip
"""Where a custom role works; `before X` is the same as `after` what X follows."""

CUSTOM_ROLE_DEFAULTS: dict[str, Any] = {"temperature": 0.0, "max_tokens": 160}
"""Sampling settings of a custom role where the settings leave them out."""


def _fill_in(raw: Any) -> Any:
    return fill_in_model(raw, CUSTOM_ROLE_DEFAULTS)


class RoleConfig(Settings):
    """A custom role (see `aloe.agents.roles`); other keys are arguments of the role."""

    model_config = ConfigDict(extra="allow")

    use: Annotated[str, own_code("roles")]
    """`MODULE:NAME`, or the name of an installed entry point of the group `aloe.roles`. In Python,
    also a function, a class or an object with `__call__`: it stays in this process, and the
    settings hold a generated name."""
    before: Stage | None = None
    after: Stage | None = None
    among: Literal["assistants"] | None = None
    """Where it runs; at most one of the three. If none is given, the role itself decides."""
    model: Annotated[ModelConfig, BeforeValidator(_fill_in)] = ModelConfig(**CUSTOM_ROLE_DEFAULTS)
    """The model it asks; opened only if the role has a prompt."""

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
