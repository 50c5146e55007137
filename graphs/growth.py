"""Growing a persona pool in its file: pool, writer and log opened together.

`aloe.graphs.pool` does a round; everything about the pool itself is in `memory`.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aloe.agents.registry import check_prompt_names
from aloe.agents.writer import PersonaWriter, Writer
from aloe.calls.event import appending
from aloe.calls.log import CallLog
from aloe.calls.prices import check_prices
from aloe.config import Config, PersonasConfig
from aloe.graphs.pool import Ended, GrowthProgress, PoolContext, grow_pool
from aloe.memory.composition import Composer
from aloe.memory.descriptions import read_seeds
from aloe.memory.embedder import open_embedder
from aloe.memory.pool.files import PoolFiles
from aloe.memory.pool.growth import GrowthLog
from aloe.memory.pool.open import open_pool
from aloe.models.open import Model, check_reachable, open_model
from aloe.plugins import load_plugin

COMPOSED_BATCH = 64
"""Candidates of one round that are composed, where settings name no number."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """An open pool with all that it grows by."""

    context: PoolContext
    calls: CallLog

    async def run(self) -> Ended:
        """Grow; see `aloe.graphs.pool.grow_pool`."""
        return await grow_pool(self.context)


@contextmanager
def open_growth(
    config: Config,
    out: Path,
    *,
    compose: bool = False,
    on_embedded: Callable[[int, int], None] = lambda _done, _wanted: None,
) -> Iterator[Growth]:
    """Open the pool in `out`, new or not, and what it grows by.

    Args:
        config: settings.
        out: a personas.jsonl.
        compose: whether candidates are put together from shipped sentences, without a model.
        on_embedded: called with (done, wanted) while missing vectors are made.

    Raises:
        ConfigError: a model, an embedder, a prompt or a custom rule cannot be used, or a cap in
            dollars cannot be kept.
        InputError: seeds or personas cannot be read.
        ModelError: the writer's model cannot be reached.
        StoreError: the pool cannot be written, or another process is writing it.
    """
    check_prompt_names(config)
    validators = {name: load_plugin("validators", name) for name in config.personas.validators}
    seeds = read_seeds(config.personas.seeds)
    embedder = open_embedder(config.personas.embedder)
    model = None if compose else open_model(config.models.writer, config)
    if model:
        check_prices(config, [model.name])
        asyncio.run(check_reachable([model]))
    texts = {kind: [seed.text for seed in given] for kind, given in seeds.items()}
    pool_opened = open_pool(out, config.personas, embedder, seeds=texts, on_embedded=on_embedded)
    with pool_opened as pool, appending(PoolFiles(out).events) as events:
        calls = CallLog.resumed(events, config)
        context = PoolContext(
            pool=pool,
            writer=_writer(config, model, calls),
            seeds=seeds,
            log=GrowthLog(pool.files.growth, config.personas.window),
            config=_personas(config, compose=compose),
            seed=config.seed,
            progress=GrowthProgress(target=config.personas.target, found=len(pool), size=len(pool)),
            validators=validators,
        )
        yield Growth(context=context, calls=calls)


def _personas(config: Config, *, compose: bool) -> PersonasConfig:
    """Return how the pool grows; no model limits the rounds of what is composed."""
    if not compose or config.personas.batch:
        return config.personas
    return config.personas.model_copy(update={"batch": COMPOSED_BATCH})


def _writer(config: Config, model: Model | None, calls: CallLog) -> Writer:
    if model is None:
        return Composer()
    return PersonaWriter(model=model, calls=calls, prompts=config.prompts)
