"""`aloe config check`: would any command refuse these settings?"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.text import Text

from aloe.console import finish, show
from aloe.options import Json
from aloe.views.folding import Table

if TYPE_CHECKING:
    from aloe.config import Config, ModelConfig

app = typer.Typer(
    help="Check settings before they are used.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

CHECKS = (
    "aloe.memory.checks", "aloe.graphs.checks", "aloe.training.checks", "aloe.benchmark.checks",
)  # fmt: skip
"""Modules with a `check_settings` for what a package reads of the settings; named, since these
packages stand beside this one or above it."""


class Agent(NamedTuple):
    """A role and what answers for it."""

    role: str
    place: str
    """Where a custom role works, or by which a judge of one's own is named."""
    model: str
    """Model string; empty if it asks none."""
    answers: str
    """A server, a file or a class."""


@app.callback()
def _group() -> None:
    """Check settings before they are used."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Settings, a TOML file.")],
    as_json: Json = False,
) -> None:
    """Check settings as every command would, without asking a model.

    Keys, files, plug-ins, prompts, and the variables that hold API keys: the first thing wrong is
    one line and exit code 2. `aloe doctor --config FILE` asks the models as well.

    Example: `aloe config check aloe.toml`
    """
    from aloe import config as settings

    resolved = settings.load(file)
    agents = list(_check_agents(resolved))
    for module in CHECKS:
        import_module(module).check_settings(resolved)
    table = Table(box=None, header_style="bold")
    for column in ("role", "place", "model", "answered by"):
        table.add_column(column, overflow="fold")
    for each in agents:
        table.add_row(*map(Text, each))
    show(table, as_json=as_json)
    show(Text(_describe_rules(resolved)), as_json=as_json)
    show(Text(f"{file}: OK, every command accepts these settings"), as_json=as_json)
    roles = [each._asdict() for each in agents]
    found = {"ok": True, "file": str(file), "roles": roles, "rules_judge": resolved.rules_judge}
    finish(found, as_json=as_json)


def _describe_rules(config: "Config") -> str:
    """Say whether rules judge for personas whose wishes a program can check."""
    from aloe.agents.who_judges import name_judge

    judge = name_judge(config)
    if not config.rules_judge:
        return f"judge of all personas, also those with checkable wishes: {judge}"
    return f"rules judge personas with checkable wishes, {judge} the others"


def _check_agents(config: "Config") -> "Iterator[Agent]":
    """Yield every agent of the settings; those of the user's own are found on the way.

    Raises:
        AloeError: a role, a judge, a prompt, a passport or a model cannot be used.
    """
    from aloe.agents.panel import read_own_passport
    from aloe.agents.registry import find_judge, find_roles, models_in_use, prompts_of
    from aloe.models.check import locate_model
    from aloe.models.model_string import ModelString
    from aloe.models.providers import check_urls

    prompts_of(config.updated({"prompt_size": "full"}, source="prompt_size"))  # reads no weights
    read_own_passport(config)
    judge = find_judge(config)
    places = {role.found.name: str(role.place) for role in find_roles(config)}
    if judge:
        places["judge"] = judge.use
    models = {**models_in_use(config), **_find_further_models(config)}
    check_urls(models)
    for role, model in models.items():
        name = str(ModelString.parse(model.model, model.options))
        yield Agent(role, places.pop(role, ""), name, locate_model(model))
    for role, place in places.items():  # those that ask no model
        yield Agent(role, place, "", "")


def _find_further_models(config: "Config") -> "dict[str, ModelConfig]":
    """Return the models of other commands than `simulate`, where the settings name any."""
    from aloe import config as settings

    plain = settings.load(None)
    found = {"writer": config.models.writer, "candidate": config.benchmark.candidate}
    shipped = {"writer": plain.models.writer, "candidate": plain.benchmark.candidate}
    return {name: each for name, each in found.items() if each != shipped[name]}
