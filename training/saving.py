"""Save a trained model, and find out before the first step whether that will work.

To find out, the model is saved as it will be in the end, to a temporary folder: only that reveals
tensors that the file format does not support, an architecture that the adapter's file does not
know, or an unwritable place. Its size shows how much disk space is needed.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aloe.errors import AloeError, ConfigError, StoreError
from aloe.files.writing import unwritable
from aloe.secrets import one_line
from aloe.training.model_folder import TRIAL
from aloe.training.plan import Plan
from aloe.training.processes import is_main_process

GIB = 2**30


def check_saving(trainer: Any, out: Path, save: Callable[[Path], None]) -> None:
    """Make sure that a training can be saved.

    Args:
        trainer: ready for its first step.
        out: folder that the model will go to; it need not exist.
        save: writes the model to a folder.

    Raises:
        ConfigError: the model cannot be written.
        StoreError: the folder cannot, or the disk is too full for the model and its checkpoints.
    """
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return  # no process has the whole model
    where = next(each for each in (out, *out.absolute().parents) if each.is_dir())
    try:
        with TemporaryDirectory(dir=where, prefix=TRIAL) as trial:
            save(Path(trial))
            size = _size(Path(trial))
    except AloeError:
        raise
    except OSError as error:
        raise unwritable(out, error) from None
    except Exception as error:  # whatever the library raises for somebody's model
        raise ConfigError(
            f"the model could not be saved after training ({one_line(error)}); nothing was trained"
        ) from None
    needed, free = _needed(trainer, size), shutil.disk_usage(where).free
    if needed > free:
        raise StoreError(
            f"the model and its checkpoints take about {needed / GIB:.1f} GiB and {where} has "
            f"{free / GIB:.1f}; make room, or set save_total_limit = 1 under [training.arguments]"
        )


def _needed(trainer: Any, size: int) -> int:
    """Return the bytes of the model and of the checkpoints that are kept and not there yet."""
    arguments = trainer.args
    checkpoints = 0 if arguments.save_strategy == "no" else arguments.save_total_limit or 1
    trained = (p for p in trainer.model.parameters() if p.requires_grad)
    moments = sum(2 * p.numel() * p.element_size() for p in trained)  # Adam's
    there = _size(Path(arguments.output_dir))
    return int(size + checkpoints * (size + moments) - there)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def save_model(trainer: Any, tokenizer: Any, plan: Plan, out: Path) -> None:
    """Write the model to `out`, and the file that `local:` serves where the base is a GGUF file."""
    from aloe.models.local import GENERATION
    from aloe.models.weights import adapter_base
    from aloe.training.gguf import is_gguf, write_adapter

    trainer.save_model(str(out))
    if not is_main_process():
        return
    if "ref" in getattr(trainer.model, "peft_config", {}):  # TRL's copy of what training began with
        shutil.rmtree(out / "ref", ignore_errors=True)
    tokenizer.save_pretrained(str(out))
    if (generation := getattr(trainer.model, "generation_config", None)) is not None:
        generation.to_json_file(out / GENERATION)  # an adapter is saved without it
    if plan.settings.lora and plan.method != "reward" and is_gguf(adapter_base(out)):
        write_adapter(out)
