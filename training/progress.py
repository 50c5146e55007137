"""How far a training is."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aloe.training.dataset import Method

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in one unit of `ru_maxrss`."""

Watch = Callable[["TrainingProgress"], None]
"""Called with how far a training is, often."""


@dataclass(kw_only=True)
class TrainingProgress:
    """Where a training is."""

    method: Method
    phase: str = "reading"
    step: int = 0
    steps: int = 0
    """0 until known."""
    history: list[dict[str, float]] = field(default_factory=list)
    """One entry for each log, as the trainer makes it."""
    tokens: int = 0
    """Tokens that one pass over the data computes."""
    flat_tokens: int = 0
    """Tokens it would compute with one sequence an answer; 0 if not packed."""
    row_tokens: int = 0
    """Tokens of a packed row at most; 0 if not packed."""
    step_rows: int = 0
    """Packed rows of an optimizer step, for one process; 0 if not packed."""
    frozen_in: str = ""
    """Kind of numbers of the weights that are not trained, as torch names it; empty if trees are
    not packed or all weights are trained."""
    notes: list[str] = field(default_factory=list)
    """What a person should know before the first step, a line each."""
    watch: Watch = lambda _progress: None
    started: float = field(default_factory=time.monotonic)
    seconds_before: float = 0.0
    """What earlier parts of the training took, up to the checkpoint that this one goes on from."""
    peak_before: float = 0.0
    """The most memory of the host that these parts held, in GiB."""
    gpu_peak_before: float = 0.0
    """The most memory of a GPU that these parts held, in GiB."""

    @property
    def seconds(self) -> float:
        """How long all parts of the training took so far."""
        return self.seconds_before + time.monotonic() - self.started

    @property
    def peak_gib(self) -> float:
        """The most memory of the host that a part of the training held so far."""
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT
        return max(self.peak_before, held / 2**30)

    @property
    def gpu_peak_gib(self) -> float:
        """The most memory of this process's GPU that a part of it held so far; 0 without a GPU."""
        torch = sys.modules.get("torch")  # which takes long to import
        held = torch.cuda.max_memory_allocated() if torch and torch.cuda.is_available() else 0
        return max(self.gpu_peak_before, held / 2**30)

    def update(self, **values: Any) -> None:
        """Set fields, and tell who watches."""
        for name, value in values.items():
            setattr(self, name, value)
        self.watch(self)
