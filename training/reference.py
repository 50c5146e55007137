"""What DPO compares with: scores of the rows by the model as it was before the first step.

On a CPU the scoring takes minutes, so the scores are kept beside the checkpoints while the training
lasts. A training that is resumed scores only the rows that are not there.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from time import monotonic

import torch

from aloe.files.writing import replace_bytes
from aloe.training.arguments import computed_in
from aloe.training.dpo import TreeDpoTrainer
from aloe.training.packed_dataset import Batch
from aloe.training.processes import is_main_process

KEPT_EVERY_S = 30.0


def score_rows(trainer: TreeDpoTrainer, file: Path) -> Iterator[int]:
    """Give every row its reference; yields the number of rows done so far.

    Args:
        trainer: before its first step.
        file: keeps the scores of this very training; it need not exist yet. One that is damaged
            is replaced.

    Raises:
        StoreError: the file cannot be written.
    """
    rows = trainer.all_rows()
    keys = [_name_row(row, computed_in(trainer.args)) for row in rows]
    kept = _read_scores(file)
    written = monotonic()
    try:
        for done, (row, key) in enumerate(zip(rows, keys, strict=True), 1):
            if key not in kept:
                kept[key] = trainer.score_answers(row)
            row["reference"] = kept[key]
            if monotonic() - written > KEPT_EVERY_S:
                _keep_scores(kept, file)
                written = monotonic()
            yield done
    finally:
        _keep_scores(kept, file)


def _name_row(row: Batch, dtype: torch.dtype) -> str:
    """Return a hash of all that a row's scores come from, apart from the model."""
    parts = (row[name].numpy().tobytes() for name in ("ids", "end", "parents", "owners"))
    return sha256(b"\0".join((str(dtype).encode(), *parts))).hexdigest()


def _read_scores(file: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(file.read_bytes())
    except (OSError, SafetensorError):
        return {}


def _keep_scores(scores: dict[str, torch.Tensor], file: Path) -> None:
    from safetensors.torch import save

    if is_main_process():
        replace_bytes(file, save(scores))
