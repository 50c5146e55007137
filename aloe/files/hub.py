"""Data sets of the Hugging Face hub as files: `hub:ORG/NAME[/CONFIG][:SPLIT[[:N]]]`.

Rows are streamed, so reading the first N of a million does not download the others. A split is
written as `datasets` writes it, `train` if none is named.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from aloe.errors import InputError
from aloe.extras import needs
from aloe.files.lines import Place
from aloe.secrets import one_line

_NAME = re.compile(
    r"hub:(?P<name>[\w.-]+/[\w.-]+)(/(?P<config>[\w.-]+))?(:(?P<split>[\w.-]+)(\[:(?P<rows>\d+)\])?)?"
)


def is_hub(path: Path) -> bool:
    """Return whether a path names a data set of the hub."""
    return str(path).startswith("hub:")


def read_hub(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Yield the rows of a data set, each with its number.

    Raises:
        InputError: it is not named as it must be, is not there or cannot be reached, or `datasets`
            is not installed.
    """
    if not (parts := _NAME.fullmatch(str(path))):
        form = "hub:ORG/NAME, hub:ORG/NAME/CONFIG or hub:ORG/NAME:SPLIT, as in hub:a/b:train[:100]"
        raise InputError(path, f"is not a dataset on the hub; expected {form}")
    try:
        import datasets
        import httpx
    except ImportError:
        raise InputError(path, needs("is on the hub, which", "datasets")) from None
    try:
        rows = datasets.load_dataset(
            parts["name"], parts["config"], split=parts["split"] or "train", streaming=True
        )
        for number, row in enumerate(
            islice(rows, int(parts["rows"]) if parts["rows"] else None), 1
        ):
            yield Place(path, row=number), row
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
        raise InputError(path, f"cannot be read from the hub ({one_line(error)})") from None
