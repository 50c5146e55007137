"""Which weights answered the calls of a file of events that lies in no run folder.

A call is known by its model's name. Where other weights stand behind a name, what the old ones
answered would be taken for the answers of the new ones, so their hashes are kept beside the file.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from aloe.errors import ConfigError
from aloe.files.writing import replace_text
from aloe.memory.run_inputs import find_changed, read_hashes


def keep_weights(events: Path, models: Mapping[str, str]) -> None:
    """Make sure that a file of events was written with the models that are here, and note them.

    A file of an earlier version has no hashes beside it and is taken as it is.

    Args:
        events: the file; it need not exist yet.
        models: hash of the files of each model, by model string (`aloe.models.weights`).

    Raises:
        ConfigError: the files of one have changed since.
        InputError: what is written about them is broken.
        StoreError: the hashes cannot be written.
    """
    beside = events.with_suffix(".models.json")
    begun = events.exists() and events.stat().st_size > 0
    held = read_hashes(beside, "models") if begun else {}
    if changed := find_changed(held, models):
        raise ConfigError(
            f"{events} holds answers of {changed[0]} as it was before its files changed; name "
            f"another output, or delete {events.name} to ask again"
        )
    if models and {**held, **models} != held:
        replace_text(beside, json.dumps({**held, **models}, indent=1) + "\n")
