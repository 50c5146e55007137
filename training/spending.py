"""What the agents of a training have spent, over all its parts.

`[budget]` is about the whole training, so what one part spends has to outlast a kill. Each process
that trains has its own share of the caps and its own file, and together they never exceed them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from aloe.calls.budget import Budget, Spent
from aloe.calls.event import Event
from aloe.config import BudgetConfig, Price
from aloe.files.appending import append_lines, cut_torn_line
from aloe.files.records import read_models
from aloe.training.model_folder import ModelFolder


class CallCost(BaseModel):
    """What one call cost, as a line of the file."""

    input_tokens: int
    output_tokens: int
    cost: float | None = None
    model: str | None = None
    """What was called; not in files of versions that priced each call at once."""
    cached_tokens: int = 0


class SpendingFile:
    """The file of one process, beside the checkpoints.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        name = f"calls-{os.environ.get('RANK', '0')}.jsonl"
        self._file = ModelFolder(folder).checkpoints / name

    def read(self, prices: Mapping[str, Price]) -> Spent:
        """Return what earlier parts of the training have spent.

        Args:
            prices: for calls whose cost was not recorded.

        Raises:
            InputError: the file is broken.
        """
        if not self._file.exists():
            return Spent()
        cut_torn_line(self._file)
        lines = (each.model_dump() for _, each in read_models(self._file, CallCost))
        return Spent.before(lines, prices)

    def add(self, event: Event) -> None:
        """Note a call.

        Raises:
            StoreError: it cannot be written.
        """
        cost = CallCost(**{name: getattr(event, name) for name in CallCost.model_fields})
        self._file.parent.mkdir(parents=True, exist_ok=True)
        append_lines(self._file, cost.model_dump_json() + "\n")


def open_budget(limits: BudgetConfig, spent: Spent, processes: int) -> Budget:
    """Return the budget of one of the processes that train together: an equal share each."""
    given = limits.model_dump(exclude_none=True)
    share = {
        name: cap / processes if name == "max_cost" else cap // processes
        for name, cap in given.items()
    }
    return Budget(BudgetConfig(**share), spent)
