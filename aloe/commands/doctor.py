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
from aloe.commands.options import BaseUrl, ConfigFile, Json, ModelName, Seed
from aloe.console import finish, show
from aloe.errors import EXIT_CODE, AloeError

if TYPE_CHECKING:
    import asyncio

    from aloe.config import Config, ModelConfig

Check = tuple[str, bool, str]
"""What was checked, whether it is well, and what was found or what to do."""


def doctor(
    model: ModelName = None,
    base_url: BaseUrl = None,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    talk: Annotated[bool, typer.Option(help="Ask each model for a word.")] = True,
) -> None:
    """Check the installation, the settings and every model they name.

    Example: `aloe doctor --model openai:gpt-4o-mini`
    """
    import asyncio

    from aloe import config as settings

    resolved = settings.load(config, {"seed": seed}).with_model(model, base_url)
    checks = [*_installation(), _attempt("embedder", _embedder)]
    checks.append(_attempt("roles and prompts", partial(_own, resolved)))
    used = [*resolved.models.by_role().values(), resolved.models.writer]
    used += [role.model for role in resolved.roles.values()]
    # One event loop for all: models at one server share its open connections.
    with asyncio.Runner() as loop:
        for each in {(m.model, m.base_url): m for m in used}.values():
            ask = partial(_model, each, loop, talk=talk, seed=resolved.seed)
            checks.append(_attempt(f"model {each.model}", ask))
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
    from agents.registry import prompts_of

    prompts_of(config)
    return f"{len(config.roles)} roles and {len(config.prompts)} prompts of your own"


def _embedder() -> str:
    from memory.embedder import MiniLmEmbedder

    vectors = MiniLmEmbedder().embed(["one sentence"])
    return f"all-MiniLM-L6-v2, {vectors.shape[1]} dimensions"


def _model(config: "ModelConfig", loop: "asyncio.Runner", *, talk: bool, seed: int) -> str:
    from aloe.models import check_reachable, open_model

    model = open_model(config)

    async def ask() -> str:
        await check_reachable([model])
        if not talk:
            return "reachable"
        arguments = model.arguments(seed=seed, max_tokens=8, logprobs=True)
        reply = await model.ask([("user", "Say hello.")], arguments)
        letters = "with" if reply.logprobs else "without"
        return f"answers {reply.text!r} ({letters} log-probabilities)"

    return loop.run(ask())
