"""What settings say of growing trees, checked without growing any."""

from collections.abc import Collection

from aloe.agents.registry import (
    check_judge,
    check_panel,
    check_prompts,
    find_roles,
    models_in_use,
)
from aloe.calls.batch_request import check_batchable
from aloe.calls.prices import check_prices
from aloe.config import Config
from aloe.errors import ConfigError
from aloe.graphs.expansion import check_expansion
from aloe.models.providers import parse_model
from aloe.plugins import lives_here


def check_settings(config: Config) -> None:
    """Make sure that `aloe simulate` takes what `config` says, and a cap on cost can be kept.

    Raises:
        ConfigError: naming the setting.
    """
    check_simulation(config)
    check_rollouts(config)
    if config.limits.batch:
        check_batchable(models_in_use(config).values())
    models = [*models_in_use(config).values(), config.models.writer]
    check_prices(config, (str(parse_model(each)) for each in models))


def check_simulation(config: Config) -> None:
    """Make sure that everything settings say of a simulation can be used, and is.

    Raises:
        ConfigError: naming the setting.
    """
    check_prompts(config, find_roles(config))
    check_judge(config)
    check_panel(config)
    check_expansion(config.simulation)
    check_named_assistants(config)
    check_workers(config)


def only_here(config: Config) -> dict[str, str]:
    """Return what was made in this process and exists in no other, by the setting that names it."""
    simulation = config.simulation
    named = {f"roles.{name}.use": role.use for name, role in config.roles.items()}
    named |= {"judge.use": config.judge.use or "", "simulation.expansion": simulation.expansion}
    named |= {name: model.model for name, model in models_in_use(config).items()}
    return {
        setting: name
        for setting, name in named.items()
        if lives_here(name.removeprefix("scripted:"))
    }


def check_workers(config: Config) -> None:
    """Make sure that processes that are to grow trees can reach everything that settings name.

    Raises:
        ConfigError: something exists in this process alone.
    """
    simulation = config.simulation
    if (simulation.workers or 1) == 1 and simulation.engine == "local":
        return
    for setting, name in only_here(config).items():
        raise ConfigError(
            f"{setting}: {name} was made in this process, where other workers cannot reach it; "
            "put it into a file and name it as MODULE:NAME, or leave out simulation.workers and "
            "simulation.engine"
        )


def check_rollouts(config: Config) -> None:
    """Make sure that no rollouts are wanted, for a run that extends no other.

    Raises:
        ConfigError: some are.
    """
    if config.simulation.rollouts.count:
        raise ConfigError(
            "simulation.rollouts.count: rollouts continue the replies of a finished run; leave it "
            "out, and name the run: --extend DIR --rollouts N"
        )


def check_named_assistants(config: Config) -> None:
    """Make sure that there is every assistant that a setting of the simulation names.

    Raises:
        ConfigError: one is not there.
    """
    names = [each.name for each in config.models.assistants]
    names += [role.found.name for role in find_roles(config) if role.place == "among assistants"]
    given = {
        "policy": config.simulation.rollouts.policy,
        "budget_keeps": config.simulation.budget_keeps or None,
    }
    for setting, name in given.items():
        if name is not None:
            require_assistant(setting, name, names)


def require_assistant(setting: str, name: str, names: Collection[str]) -> None:
    """Make sure that there is the assistant that a setting names.

    Raises:
        ConfigError: there is not.
    """
    if name not in names:
        raise ConfigError(
            f"{setting}: there is no assistant '{name}'; there are {', '.join(names)}"
        )
