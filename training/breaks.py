"""Why a training broke off, in one line, and what is left of it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aloe.errors import AloeError, ModelError, StoreError
from aloe.secrets import one_line, redact
from aloe.training.model_folder import ModelFolder
from aloe.training.processes import is_main_process

SAVING = {"_save_checkpoint", "save_model"}
"""Functions in which a failure is one of the disk, whatever the libraries raise."""


@contextmanager
def explained(trainer: Any, folder: ModelFolder) -> Iterator[None]:
    """Say in one line why a training broke off; one without a step leaves nothing behind.

    Scores of DPO's reference that an earlier part of it kept stay, and with them what it is.
    """
    kept = folder.reference.exists()
    try:
        yield
    except Exception as error:
        if not trainer.state.global_step and is_main_process() and not kept:
            folder.abandon()
        if isinstance(error, AloeError):
            raise
        made = _explain(error, trainer.state, folder)
        made.trace = redact("".join(traceback.format_exception(error)))
        raise made from error


def _explain(error: Exception, state: Any, folder: ModelFolder) -> AloeError:
    reason = one_line(error)
    if not state.global_step:
        return ModelError(f"the first step of the training failed ({reason})")
    kept = folder.newest_checkpoint()
    then = f"{kept.name} is good" if kept else "no checkpoint was kept yet"
    resume = f"{then}; the same command goes on from {'there' if kept else 'the beginning'}"
    if SAVING & {frame.name for frame in traceback.extract_tb(error.__traceback__)}:
        what = f"{folder.path}: step {state.global_step} could not be saved ({reason})"
        return StoreError(f"{what}; make room; {resume}")
    done = state.global_step >= state.max_steps
    where = "after the last step" if done else f"at step {state.global_step + 1}"
    return ModelError(f"the training failed {where} ({reason}); {resume}")
