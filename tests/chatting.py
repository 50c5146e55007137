"""Conversations of a person with models made of functions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from aloe.config import Config
from aloe.graphs.chat import ChatSession
from aloe.graphs.chat_setup import chat_settings, prepare_chat
from aloe.memory.run_folder import RunFolder, read_trees
from aloe.models.scripted import Script
from aloe.schema import Persona, Tree, digest

EMOJI = "Cook a soup! \U0001f600"
PLAIN = "Cook a soup."
ME = Persona.of("", "")


def says(text: str) -> Script:
    def script(_messages: Sequence[BaseMessage], _arguments: dict[str, Any]) -> str:
        return text

    script.__qualname__ = f"says_{digest(text)[:4]}"  # by its name and source a model is known
    return script


def settings(model: Script | str, beside: Script | str | None = None, **given: Any) -> Config:
    config = chat_settings(
        None, {"limits": {"tries": 1, "backoff": 0.01}}, model=None, beside=None, inducer=None
    )
    models = [{"name": "model", "model": model}, {"name": "beside", "model": beside or model}]
    return config.updated({"models.assistants": models, **given}, source="test")


@contextmanager
def talking(
    folder: Path,
    model: Script | str,
    beside: Script | str | None = None,
    *,
    persona: Persona = ME,
    blind: bool = False,
    inducer: bool = False,
    seed: int | None = None,
    **given: Any,
) -> Iterator[ChatSession]:
    config = settings(model, beside, **given)
    with prepare_chat(
        config,
        RunFolder(folder),
        persona,
        beside=beside is not None,
        inducer=inducer,
        blind=blind,
        seed=seed,
    ).session() as session:
        yield session


def stored(folder: Path) -> Tree:
    (tree,) = read_trees(folder)
    return tree
