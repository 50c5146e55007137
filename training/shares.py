"""The shares of several processes in an epoch, which have to be equally long.

accelerate evens them out with the first rows of the epoch once more, so that whole trees would
count twice. Here rows without items do that, at the end: they change no sum and no count.
"""

from collections.abc import Iterator
from typing import Any, cast

from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import Sampler

from aloe.training.packed_dataset import Batch


class FillableRows(list[Batch]):
    """Rows; behind the last one, wherever asked, stands the smallest of them without its items."""

    def __getitem__(self, index: Any) -> Any:
        """Return a row."""
        if isinstance(index, slice) or index < len(self):
            return super().__getitem__(index)
        smallest = min(self, key=lambda row: len(row["ids"]))
        return cast("Batch", {**smallest, "labels": smallest["labels"][:0]})


class _Filled(Sampler[int]):
    """What another sampler yields, and as many places behind the last row as processes need."""

    def __init__(self, sampler: Any, processes: int) -> None:
        self._sampler, self._processes = sampler, processes

    def __len__(self) -> int:
        return -(-len(self._sampler) // self._processes) * self._processes

    def __iter__(self) -> Iterator[int]:
        yield from self._sampler
        yield from range(len(self._sampler), len(self))

    def set_epoch(self, epoch: int) -> None:
        """Tell the sampler which order is its turn."""
        if hasattr(self._sampler, "set_epoch"):
            self._sampler.set_epoch(epoch)


def fill_up(loader: Any) -> Any:
    """Return a loader of `FillableRows` by which each row goes to one process, and that once.

    Args:
        loader: as accelerate made it, a row a batch; of a single process, it stays as it is.
    """
    shard = loader.batch_sampler
    if isinstance(shard, BatchSamplerShard):
        batches = shard.batch_sampler
        if not isinstance(batches.sampler, _Filled):
            batches.sampler = _Filled(batches.sampler, shard.num_processes)
    return loader
