"""Is everything here that a run needs? What `aloe doctor` finds, one check after another."""

import asyncio
import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from functools import partial

import aloe
from aloe.agents.registry import models_in_use, prompts_of
from aloe.config import DEFAULT_MODEL, Config
from aloe.cores import count_cores
from aloe.errors import AloeError
from aloe.extras import needs
from aloe.graphs.role_checks import Check, check_roles
from aloe.memory.embedder import MiniLmEmbedder
from aloe.models.kernels import find_kernels, unused_features
from aloe.models.local import embedded_server
from aloe.models.open import Model, check_reachable, closed_model, open_model
from aloe.models.providers import parse_model
from aloe.secrets import redact

PATIENCE = 10.0
"""Seconds for which a server may be gone or busy before that is the finding."""

NEEDED = ("langgraph", "langchain-openai", "langchain-community", "chromadb", "rich")
FOR_TRAINING = ("transformers", "trl", "torch")


def check_everything(config: Config, *, talk: bool) -> Iterator[Check]:
    """Yield what is found of the installation, of every model, and of the call of every role.

    Args:
        config: settings of the run.
        talk: whether each role makes a call of its own.
    """
    yield from _check_installation()
    yield _attempt("embedder", _check_embedder)
    yield _attempt("roles and prompts", partial(_check_custom_roles, config))
    yield from _check_models(config, talk=talk)


def _attempt(what: str, check: Callable[[], str]) -> Check:
    try:
        return Check(what, True, check())
    except AloeError as error:
        return Check(what, False, str(error))


def _check_installation() -> Iterator[Check]:
    yield Check("aloe", True, f"{aloe.__version__} on Python {platform.python_version()}")
    yield Check("processor", True, f"{count_cores()} cores")
    for package in NEEDED:
        yield Check(package, True, importlib.metadata.version(package))
    for package in FOR_TRAINING:
        try:
            found = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found = f"not installed; {needs('training, or hf:,', package)}"
        yield Check(package, True, found)


def _check_embedder() -> str:
    vectors = MiniLmEmbedder().embed(["one sentence"])
    return f"all-MiniLM-L6-v2, {vectors.shape[1]} dimensions"


def _check_custom_roles(config: Config) -> str:
    prompts_of(config)
    return f"{len(config.roles)} custom roles and {len(config.prompts)} custom prompts"


def _check_models(config: Config, *, talk: bool) -> Iterator[Check]:
    """Yield what is found of every model in use, and of the call of every role."""
    limits = config.limits.model_copy(update={"tries": 1, "patience": PATIENCE})
    hurried = config.model_copy(update={"limits": limits})
    try:
        used = {**models_in_use(config), "writer": config.models.writer}
    except AloeError:  # told as a check of its own
        used = {**config.models.by_role(), "writer": config.models.writer}
        talk = False
    opened: dict[str, Model] = {}
    found: dict[tuple[str, str | None], Check] = {}
    # One event loop for all: models at one server share its open connections.
    with asyncio.Runner() as loop:
        for role, each in used.items():
            try:
                opened[role] = open_model(each, hurried)
                reach = partial(_reach, opened[role], hurried, loop)
            except AloeError as error:
                stand_in = each.model_copy(update={"model": DEFAULT_MODEL})
                opened[role], reach = closed_model(stand_in, str(error)), partial(_fail, error)
            if (each.model, each.base_url) not in found:
                found[each.model, each.base_url] = _attempt(f"model {redact(each.model)}", reach)
        yield from found.values()
        if talk:
            well = {role for role, each in used.items() if found[each.model, each.base_url].well}
            try:
                yield from loop.run(check_roles(config, opened, well))
            except AloeError as error:
                yield Check("roles", False, str(error))
    for model in {model.name: model for model in opened.values()}.values():
        if changes := "; ".join(map(str, model.parameters.changes)):
            yield Check(f"parameters of {model.name}", True, changes)


def _reach(model: Model, settings: Config, loop: asyncio.Runner) -> str:
    loop.run(check_reachable([model]))
    found = parse_model(model.config)
    return _describe_server(found.name, settings) if found.provider == "local" else "reachable"


def _describe_server(name: str, settings: Config) -> str:
    """Return what serves an open `local:` model, with which kernels, and what they leave unused."""
    binary = embedded_server(name, settings.local).binary
    kernels = find_kernels(binary)
    unused = ", ".join(unused_features(kernels))
    advice = f"; this processor also has {unused}: see local.server" if unused else ""
    program = binary or "llama.cpp in this process"
    return f"served by {program}; {kernels or 'kernels unknown'}{advice}"


def _fail(error: AloeError) -> str:
    raise error
