"""LangGraph state machines, and what drives many of them.

from aloe.graphs import simulate
trees = simulate(personas, model="openai:gpt-4o-mini", turns=5)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aloe.graphs.api import simulate, simulate_async

__all__ = ["simulate", "simulate_async"]


def __getattr__(name: str) -> Any:
    """Import `simulate` when it is asked for: other modules need not load all that it needs."""
    if name in __all__:
        from aloe.graphs import api

        return getattr(api, name)
    raise AttributeError(f"module 'aloe.graphs' has no attribute '{name}'")
