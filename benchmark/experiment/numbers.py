"""The numbers that the packed trainings of an experiment compute in: the same for all.

Left alone, each training times this machine for itself and may decide otherwise, so that a model
and its control would differ in more than their rows.
"""

from pathlib import Path

from aloe.config import TrainingConfig
from aloe.files.json_objects import load_json


def find_numbers(training: TrainingConfig, path: Path) -> dict[str, bool]:
    """Return the argument that lets a training compute as those beside it do, if there are any.

    One that goes on keeps what it was told.

    Args:
        training: its settings.
        path: its folder, beside those of the experiment's other stages.

    Raises:
        StoreError: the record of a training is broken.
    """
    if (own := path / "training.json").exists():
        told = load_json(own)["settings"]["arguments"]
        return {"bf16": told["bf16"]} if "bf16" in told else {}
    if not training.lora or training.arguments.keys() & {"bf16", "fp16"}:
        return {}
    records = map(load_json, sorted(path.parent.glob("*/training.json")))
    kinds = [kind for record in records if (kind := record.get("frozen_in"))]
    return {"bf16": kinds[0] == "bfloat16"} if kinds else {}
