"""Checkpoints of growing trees in Postgres, for runs whose machine may not come back.

If the run folder survives, its journal is enough to resume a run, and cheaper. Checkpoints are for
a folder that is lost with its machine, or for inspecting states with LangGraph's own tools: each
step of a tree is saved in LangGraph's tables, in a thread named after the tree and a digest of
everything that shapes it, its persona and the weights on this machine too. So the same command
resumes from there on any machine, and finished trees are not grown again.

The server is found as by any Postgres program, from PGHOST, PGUSER, PGPASSWORD, PGSERVICE and so
on, so the settings hold no password.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph

from aloe import schema
from aloe.agents.panel import read_own_passport
from aloe.agents.registry import prompts_of
from aloe.config import Config, shaping
from aloe.errors import ConfigError, StoreError
from aloe.extras import needs
from aloe.persona import PLAYED
from aloe.schema import digest
from aloe.secrets import one_line

CONNECTIONS = 8
"""Most that a process holds; trees wait for one for a moment."""
SECONDS = 10
"""Longest wait for the server."""
TABLES = 0xA10E
"""Of the lock that lets one run at a time make the tables."""


class Checkpoints:
    """What keeps the states of trees; connects when the first tree asks.

    Args:
        config: settings of the run.
        weights: hash of the files of every model on this machine, by model string; none in a
            replay.
    """

    def __init__(self, config: Config, weights: Mapping[str, str]) -> None:
        passport = read_own_passport(config)  # by which the verdicts that are kept have confidences
        calibration = passport.calibration if passport else ()
        files = [dict(weights)] if weights else []  # without, the threads of earlier versions
        self._run = digest(shaping(config), prompts_of(config), *calibration, *files)
        self._opening = asyncio.Lock()
        self._saver: Any = None

    @classmethod
    def of(cls, config: Config, weights: Mapping[str, str]) -> "Checkpoints | None":
        """Return what `config` asks for."""
        return cls(config, weights) if config.simulation.checkpoints else None

    async def prepare(self) -> None:
        """Make LangGraph's tables unless they are there.

        Raises:
            ConfigError: the package is missing, or no server answers.
        """
        try:
            from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
            from psycopg import AsyncConnection, Error
        except ImportError:
            what = 'simulation.checkpoints = "postgres"'
            raise ConfigError(needs(what, "langgraph-checkpoint-postgres")) from None
        try:
            connection = await AsyncConnection.connect(
                "", connect_timeout=SECONDS, **_connection_settings()
            )
            async with connection:
                await connection.execute("SELECT pg_advisory_lock(%s)", (TABLES,))
                await AsyncPostgresSaver(connection).setup()
        except Error as error:
            raise ConfigError(
                f"simulation.checkpoints: no Postgres can be used ({one_line(error)}); set "
                "PGHOST, PGUSER, PGPASSWORD and PGDATABASE, or PGSERVICE"
            ) from None

    async def run(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        given: Any,
        settings: RunnableConfig,
        context: object,
    ) -> dict[str, Any]:
        """Run `graph` as `ainvoke` does, or what is left of it.

        Args:
            graph: the graph of a tree.
            given: what the tree grows from.
            settings: LangGraph's.
            context: of the run.

        Raises:
            StoreError: the server is gone or full; what it has is kept.
        """
        from psycopg import Error
        from psycopg_pool import PoolTimeout

        # A tree that is grown further begins with turns of an earlier run.
        start = [node.id for node in given.get("nodes", ())]
        judged = [verdict.model_dump(mode="json") for verdict in given.get("verdicts", ())]
        run = digest(self._run, given["persona"].model_dump(mode="json", include=PLAYED))
        thread = f"{given['tree']}-{given.get('turn', 0)}-{run}"
        thread += f"-{digest(start, judged)}" if start else ""
        named: RunnableConfig = {**settings, "configurable": {"thread_id": thread}}
        try:
            kept = graph.copy({"checkpointer": await self._open()})
            found = await kept.aget_state(named)
            begun = found.created_at is not None
            # `found.next` is empty as well where tasks are done and not yet taken in.
            if begun and not found.tasks:
                return dict(found.values)
            state: dict[str, Any] = await kept.ainvoke(
                None if begun else given, named, context=context, durability="async"
            )
        except (Error, PoolTimeout) as error:
            raise StoreError(
                f"checkpoints cannot be kept in Postgres ({one_line(error)}); the same command "
                "resumes from what is saved"
            ) from None
        return state

    async def _open(self) -> Any:
        async with self._opening:
            if self._saver is None:
                from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
                from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
                from psycopg_pool import AsyncConnectionPool

                pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
                    "",
                    kwargs=_connection_settings(),
                    min_size=1,
                    max_size=CONNECTIONS,
                    timeout=SECONDS,
                    open=False,
                )
                await pool.open()
                kinds = [(each.__module__, each.__name__) for each in record_types()]
                serializer = JsonPlusSerializer(allowed_msgpack_modules=kinds)
                self._saver = AsyncPostgresSaver(pool, serde=serializer)
        return self._saver

    async def close(self) -> None:
        """Let go of the server."""
        if self._saver is not None:
            await self._saver.conn.close()
            self._saver = None


def _connection_settings() -> dict[str, Any]:
    """Return what LangGraph's saver asks of a connection."""
    from psycopg.rows import dict_row

    return {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}


def record_types() -> list[type]:
    """Return the classes that a state is made of: nothing else is made from what is stored."""
    found = (each for each in vars(schema).values() if isinstance(each, type))
    return [each for each in found if issubclass(each, schema.Record)]
