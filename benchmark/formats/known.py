"""Which other project's benchmark a file of cases is of."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from aloe.benchmark.formats import cupid, personamem, prefeval
from aloe.files.lines import Place

Read = Callable[[Path], Iterator[tuple[Place, dict[str, Any]]]]
"""Yields what each case of a file is made of, all but its suite."""

READERS: tuple[tuple[Callable[[Any], bool], Read], ...] = (
    (prefeval.fits, prefeval.read_prefeval),
    (personamem.fits, personamem.read_personamem),
    (cupid.fits, cupid.read_cupid),
)
"""How each is known, and read."""


def reader_of(record: Any) -> Read | None:
    """Return the reader of a file that begins with `record`; None if it is of none of them."""
    return next((read for fits, read in READERS if fits(record)), None)
