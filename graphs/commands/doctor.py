"""`aloe doctor`: is everything here that a run needs?"""

import os
import platform
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

import aloe
from aloe.console import finish, show
from aloe.errors import EXIT_CODE, AloeError
from aloe.options import BaseUrl, ConfigFile, Json, ModelName, Seed

if TYPE_CHECKING:
    import asyncio

    from aloe.config import Config
    from aloe.models.open import Model

PATIENCE = 10.0
"""Seconds for which a server may be gone or busy before that is the finding."""

Check = tuple[str, bool, str]
"""What was checked, whether it is well, and what was found or what to do."""


def doctor(
    model: ModelName = None,
    base_url: BaseUrl = None,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    talk: Annotated[bool, typer.Option(help="Let each role make one call of its own.")] = True,
) -> None:
    """Check the installation, the settings, and what each role gets of its model.

    Example: `aloe doctor --model openai:gpt-4o-mini`
    """
    from aloe import config as settings

    resolved = settings.load(config, {"seed": seed}).with_model(model, base_url)
    checks = [*_installation(), _attempt("embedder", _embedder)]
    checks.append(_attempt("roles and prompts", partial(_own, resolved)))
    checks += _models(resolved, talk=talk)
    table = Table(box=None, show_header=False)
    for what, well, found in checks:
        table.add_row("[green]ok[/]" if well else "[red]no[/]", escape(what), escape(found))
    show(table, as_json=as_json)
    ok = all(well for _, well, _ in checks)
    finish({"ok": ok, "checks": [list(check) for check in checks]}, as_json=as_json)
    if not ok:
        raise typer.Exit(EXIT_CODE)


def _installation() -> Iterator[Check]:
    import importlib.metadata

    yield "aloe", True, f"{aloe.__version__} on Python {platform.python_version()}"
    yield "processor", True, f"{len(os.sched_getaffinity(0))} cores"
    for package in ("langgraph", "langchain-openai", "langchain-community", "chromadb", "rich"):
        yield package, True, importlib.metadata.version(package)
    for package in ("transformers", "trl", "torch"):
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found = "not installed; needed for training only: pip install 'aloe-align[train]'"
        yield package, True, found


def _attempt(what: str, check: Callable[[], str]) -> Check:
    try:
        return what, True, check()
    except AloeError as error:
        return what, False, str(error)


def _own(config: "Config") -> str:
    from aloe.agents.registry import prompts_of

    prompts_of(config)
    return f"{len(config.roles)} roles and {len(config.prompts)} prompts of your own"


def _embedder() -> str:
    from aloe.memory.embedder import MiniLmEmbedder

    vectors = MiniLmEmbedder().embed(["one sentence"])
    return f"all-MiniLM-L6-v2, {vectors.shape[1]} dimensions"


def _models(config: "Config", *, talk: bool) -> Iterator[Check]:
    """Yield what is found of every model in use, and of the call of every role."""
    import asyncio

    from aloe.agents.registry import models_in_use
    from aloe.config import DEFAULT_MODEL
    from aloe.models.open import closed_model, open_model
    from aloe.secrets import redact

    limits = config.limits.model_copy(update={"tries": 1, "patience": PATIENCE})
    try:
        used = {**models_in_use(config), "writer": config.models.writer}
    except AloeError:  # told as a check of its own
        used = {**config.models.by_role(), "writer": config.models.writer}
        talk = False
    opened: dict[str, Model] = {}
    found: dict[str, Check] = {}
    # One event loop for all: models at one server share its open connections.
    with asyncio.Runner() as loop:
        for role, each in used.items():
            try:
                opened[role] = open_model(each, limits)
                reach = partial(_reached, opened[role], loop)
            except AloeError as error:
                stand_in = each.model_copy(update={"model": DEFAULT_MODEL})
                opened[role], reach = closed_model(stand_in, str(error)), partial(_raised, error)
            if each.model not in found:
                found[each.model] = _attempt(f"model {redact(each.model)}", reach)
        yield from found.values()
        if talk:
            well = {role for role, each in used.items() if found[each.model][1]}
            yield from _roles(config, opened, well, loop)
    for model in {model.name: model for model in opened.values()}.values():
        if changes := "; ".join(map(str, model.parameters.changes)):
            yield f"parameters of {model.name}", True, changes


def _reached(model: "Model", loop: "asyncio.Runner") -> str:
    from aloe.models.open import check_reachable

    loop.run(check_reachable([model]))
    return "reachable"


def _raised(error: AloeError) -> str:
    raise error


def _roles(
    config: "Config", models: "dict[str, Model]", well: set[str], loop: "asyncio.Runner"
) -> Iterator[Check]:
    """Yield what the call of each role came to; those of models that are not there are left out."""
    from aloe.graphs.checkup import check_roles

    writer = models["writer"]
    try:
        checked = loop.run(check_roles(config, models, writer))
    except AloeError as error:
        yield "roles", False, str(error)
        return
    for each in checked:
        if each.role in well:
            yield f"role {each.role}", each.well, each.found
