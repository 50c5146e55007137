"""Teach chat models to infer one user's unspoken preferences while talking.

Everything below is the library's public face; each name is imported when it is first used.

    import aloe

    users = aloe.draw_personas(3, wishes=4)
    trees = aloe.simulate(users, model="openai:gpt-4o-mini", disclosure="answering")
    pairs = aloe.to_dataset(trees, "dpo")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aloe.benchmark.api import bench
    from aloe.graphs.api import graph, simulate, simulate_async
    from aloe.memory.api import draw_personas, read_trees, relabel, to_frame
    from aloe.schema import Persona, Tree
    from aloe.training.api import to_dataset, train

__version__ = "0.1.0"

_HOMES = {
    "Persona": "aloe.schema",
    "Tree": "aloe.schema",
    "bench": "aloe.benchmark.api",
    "draw_personas": "aloe.memory.api",
    "graph": "aloe.graphs.api",
    "read_trees": "aloe.memory.api",
    "relabel": "aloe.memory.api",
    "simulate": "aloe.graphs.api",
    "simulate_async": "aloe.graphs.api",
    "to_dataset": "aloe.training.api",
    "to_frame": "aloe.memory.api",
    "train": "aloe.training.api",
}

__all__ = [
    "Persona",
    "Tree",
    "bench",
    "draw_personas",
    "graph",
    "read_trees",
    "relabel",
    "simulate",
    "simulate_async",
    "to_dataset",
    "to_frame",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'aloe' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
