"""LangGraph state machines, and what drives many of them.

from graphs import simulate
trees = simulate(personas, model="openai:gpt-4o-mini", turns=5)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphs.notebook import simulate, simulate_async

__all__ = ["simulate", "simulate_async"]


def __getattr__(name: str) -> Any:
    """Import `simulate` when it is asked for: the modules of this room need not load each other."""
    if name in __all__:
        from graphs import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'graphs' has no attribute '{name}'")
