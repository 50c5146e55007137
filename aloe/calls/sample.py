"""Which of several samples of the same conversation is being made.

Every seed of a run follows from what came before, so that equal runs are equal. Where one
conversation is to go on in several ways (`aloe.graphs.rollouts`), what came before is the same, and
the number of the sample has to enter the seeds. Agents, rules and roles of the user's own are made
once for a run and know nothing of samples, so the number is kept beside the task that they work in.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from aloe.schema import derive_seed

_SAMPLE: ContextVar[int] = ContextVar("sample", default=0)


@contextmanager
def sampling(number: int) -> Iterator[None]:
    """Make what happens inside the sample of this number; 0 is what happens outside of any."""
    token = _SAMPLE.set(number)
    try:
        yield
    finally:
        _SAMPLE.reset(token)


def vary_wishes(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return wishes of a call with their seed as it is in the current sample."""
    return {name: vary_seed(value) if name == "seed" else value for name, value in wishes.items()}


def vary_seed(seed: int) -> int:
    """Return `seed` as it is in the current sample: a seed in [0, 2**31), itself in sample 0."""
    number = _SAMPLE.get()
    return derive_seed("sample", number, seed) if number else seed
