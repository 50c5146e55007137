"""The custom roles, judges and prompts that the settings name.

Everything that the class or function itself reveals (its place, its prompt, its arguments) is
checked before any model is opened, so errors are one line, before anything is written. The role
itself, which may load its own model, is created together with the agents.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

from aloe.agents.judge import ORDERS, Order
from aloe.agents.prompt import (
    Prompt,
    check_names,
    chosen,
    parse,
    parse_text,
    replaced,
    shipped_names,
)
from aloe.agents.prompt_size import prompt_for
from aloe.calls.batch_rounds import Cast
from aloe.config import Config, Criterion, ModelConfig, Place, RoleConfig
from aloe.errors import AloeError, ConfigError
from aloe.plugins import Kind, describe_error, load_plugin
from aloe.signatures import defined_in, written
from aloe.threads import apart

HOOKS = """after = "user", "inducer", "assistant" or "judge", before = one of these, \
or among = "assistants\""""


@dataclass(frozen=True, kw_only=True)
class FoundRole:
    """A custom class or function, before it is instantiated."""

    name: str
    """Of the role; of a judge `judge`."""
    use: str
    target: Any
    arguments: Mapping[str, Any]
    prompt: Prompt | None

    @property
    def identity(self) -> str:
        """What it is and what it is made with: two that differ in either are not the same."""
        given = json.dumps(self.arguments, sort_keys=True, default=str) if self.arguments else ""
        return f"{self.use} {given}".strip()

    @property
    def orders(self) -> tuple[Order, ...]:
        """In which orders a judge sees two replies: one if it says that it is symmetric."""
        return ORDERS[:1] if getattr(self.target, "symmetric", False) else ORDERS

    @property
    def about(self) -> str:
        """What its author says of it."""
        return inspect.getdoc(self.target) or "(it has no docstring)"

    def made(self, at_once: int) -> Callable[..., Any]:
        """Return what is called in each exchange, in so many threads at once if it blocks.

        Raises:
            ConfigError: it cannot be made with its arguments.
        """
        try:
            if inspect.isclass(self.target):
                made = self.target(**self.arguments)
            else:
                made = partial(self.target, **self.arguments)
        except AloeError:
            raise
        except Exception as error:
            raise ConfigError(f"'{self.use}' cannot be created: {describe_error(error)}") from None
        if not callable(made):
            raise ConfigError(f"'{self.use}' does not return a callable")
        return apart(made, at_once)


def find(
    kind: Kind,
    name: str,
    use: str,
    arguments: Mapping[str, Any] | None,
    prompts: Mapping[str, Path],
) -> FoundRole:
    """Import what `use` names and read its prompt.

    Args:
        kind: what it is to be.
        name: what settings call it.
        use: `MODULE:NAME` or the name of an entry point.
        arguments: what it will be made with; None: it is only looked at.
        prompts: files in place of prompts, by name.

    Raises:
        ConfigError: it cannot be imported or called, or its prompt cannot be used.
    """
    target = load_plugin(kind, use, arguments)
    prompt = _prompt(target, name)
    return FoundRole(
        name=name,
        use=use,
        target=target,
        arguments=arguments or {},
        prompt=replaced(prompt, prompts) if prompt else None,
    )


def _prompt(target: Any, name: str) -> Prompt | None:
    """Return the prompt that `target` names: its text, or a file beside the user's own."""
    named = getattr(target, "prompt", None)
    if named is None:
        return None
    try:
        home = Path(inspect.getfile(written(target)))
    except (OSError, TypeError):  # written in a notebook
        home = Path("notebook")
    if "\n" in str(named):
        return parse_text(str(named), home, name)
    return parse(home.parent / named, name)


@dataclass(frozen=True, kw_only=True)
class Role:
    """A custom role and where it runs."""

    found: FoundRole
    place: Place


def find_roles(config: Config) -> tuple[Role, ...]:
    """Return the roles that settings name, in their order.

    Raises:
        ConfigError: one cannot be imported, has no place or the name of a shipped prompt, or its
            prompt cannot be used.
    """
    check_role_names(config.roles)
    found = (
        (each, find("roles", name, each.use, each.arguments, config.prompts))
        for name, each in config.roles.items()
    )
    return tuple(Role(found=role, place=each.place or _own_place(role)) for each, role in found)


def check_role_names(names: Iterable[str]) -> None:
    """Make sure that no role has the name of a shipped prompt, by which `[prompts]` would mean two.

    Raises:
        ConfigError: one has.
    """
    if twice := next((name for name in names if name in shipped_names()), None):
        raise ConfigError(f"a role cannot be called '{twice}': a shipped prompt has that name")


def _own_place(found: FoundRole) -> Place:
    hooks = {hook: getattr(found.target, hook, None) for hook in ("before", "after", "among")}
    given = {hook: stage for hook, stage in hooks.items() if stage is not None}
    try:
        (hook,) = given
        settings = RoleConfig.model_validate({"use": found.use, hook: given[hook]})
    except ValueError:
        raise ConfigError(
            f"roles.{found.name}: '{found.use}' needs a place, on itself or in settings: {HOOKS}"
        ) from None
    assert settings.place
    return settings.place


def find_judge(config: Config) -> FoundRole | None:
    """Return the custom judge that the settings name, or None.

    Raises:
        ConfigError: it cannot be imported, or its prompt or `symmetric` cannot be used.
    """
    judge = config.judge
    if judge.use is None:
        return None
    found = find("judges", "judge", judge.use, judge.options, config.prompts)
    said = getattr(found.target, "symmetric", False)
    if not isinstance(said, bool):
        what = f"judge '{judge.use}' ({defined_in(found.target)})"
        raise ConfigError(f"{what}: symmetric is True or False, not {str(said)[:60]!r}")
    return found


def check_judge(config: Config) -> None:
    """Make sure that everything settings say about the judge's questions is read.

    Raises:
        ConfigError: one setting makes another void, or the custom judge cannot be used.
    """
    judge, prompts, own = config.judge, config.prompts, find_judge(config)
    if own and judge.criteria:
        raise ConfigError(
            "judge.criteria are not asked about, because judge.use names a judge of your own; "
            "leave out one of the two"
        )
    if judge.options and not own:
        raise ConfigError(
            "judge.options are read by no judge, because judge.use names none; leave them out, "
            "or name it"
        )
    if "judge" in prompts and own and not own.prompt:
        raise ConfigError(
            f"prompts.judge is not sent, because judge.use ('{own.use}') has no prompt; leave it "
            "out"
        )
    if "judge" in prompts and judge.criteria:
        asked = ", ".join(f"prompts.judge_{name}" for name in judge.criteria)
        raise ConfigError(
            "prompts.judge is not sent, because judge.criteria have prompts of their own "
            f"({asked}); leave out one of the two"
        )
    for name in get_args(Criterion):
        if f"judge_{name}" in prompts and name not in judge.criteria:
            raise ConfigError(
                f"prompts.judge_{name} is not sent, because '{name}' is not among judge.criteria; "
                "leave it out, or add the criterion"
            )


def check_panel(config: Config) -> None:
    """Make sure that a panel is asked to compare replies; a benchmark asks it in any case.

    Raises:
        ConfigError: a custom judge compares them.
    """
    if config.judge.use and config.models.panel:
        raise ConfigError(
            "models.panel does not vote, because judge.use names a judge of your own; leave out "
            "one of the two (`aloe bench` asks the panel in any case: give it settings of its own)"
        )


def check_prompt_names(config: Config) -> None:
    """Make sure that every custom prompt has the name of an existing one, or of a role.

    It opens no file and imports no role, so whatever reads any prompt of settings calls it first:
    a prompt under a misspelt name would not be sent.

    Raises:
        ConfigError: a name under `[prompts]` is not known.
    """
    check_names(config.prompts, [*shipped_names(), *config.roles])


def check_prompts(config: Config, roles: Sequence[Role]) -> None:
    """Make sure that every custom prompt replaces an existing one and fits.

    Raises:
        ConfigError: naming the file and the field, or the prompt's name.
    """
    own = [role.found.name for role in roles if role.found.prompt]
    check_names(config.prompts, [*shipped_names(), *own])
    for name in config.prompts:
        if name not in own and not (name == "judge" and config.judge.use):
            chosen(name, config.prompts)


def prompts_of(config: Config) -> dict[str, str]:
    """Return the content hash of every prompt of a simulation, by name.

    Where assistants of two sizes use two versions of one prompt, the second has its own name.

    Raises:
        ConfigError: a prompt, or what names one, cannot be used.
    """
    roles = find_roles(config)
    check_prompts(config, roles)
    check_judge(config)
    models = config.models
    prompts = [
        prompt_for("user", config, models.user),
        prompt_for("inducer", config, models.inducer),
    ]
    prompts += [
        prompt_for(name, config, each)
        for name in ("assistant", "hint")
        for each in models.assistants
    ]
    if models.reader:
        prompts.append(chosen("reader", config.prompts))
    own = [role.found for role in roles]
    if judge := find_judge(config):
        own.append(judge)
    else:
        names = [f"judge_{name}" for name in config.judge.criteria] or ["judge"]
        prompts += [chosen(name, config.prompts) for name in names]
    prompts += [found.prompt for found in own if found.prompt]
    shas: dict[str, str] = {}
    for prompt in prompts:
        if shas.setdefault(prompt.name, prompt.sha) != prompt.sha:
            shas[f"{prompt.name} ({prompt.path.parent.name})"] = prompt.sha
    return shas


def judges_in_use(config: Config) -> dict[str, ModelConfig]:
    """Return the model of every judge that is asked, by name; none if an own judge asks none.

    Raises:
        ConfigError: the custom judge cannot be used, or settings say of it what is never read.
    """
    check_judge(config)
    own = find_judge(config)
    if own is None:
        return config.models.judges()
    return {"judge": config.models.judge} if own.prompt else {}


def find_cast(config: Config) -> Cast:
    """Return who takes part in the exchanges of a simulation.

    Raises:
        ConfigError: a custom role or judge cannot be used.
    """
    assistants = (each.name for each in config.models.assistants)
    among = (r.found.name for r in find_roles(config) if r.place == "among assistants")
    own = find_judge(config)
    return Cast(
        models=models_in_use(config),
        writers=(*assistants, *among),
        orders=len(own.orders if own else ORDERS),
    )


def models_in_use(config: Config) -> dict[str, ModelConfig]:
    """Return the model of every agent of a simulation that asks one, by name.

    Raises:
        ConfigError: a custom role or judge cannot be used.
    """
    judges, roles = config.models.judges(), find_roles(config)
    agents = {name: m for name, m in config.models.by_role().items() if name not in judges}
    own = {
        role.found.name: config.roles[role.found.name].model for role in roles if role.found.prompt
    }
    return {**agents, **judges_in_use(config), **own}
