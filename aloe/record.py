"""The base of what is written to disk, and the hashes that name it."""

import hashlib
import json
import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

SCHEMA_VERSION = 1

_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(*parts: object) -> str:
    """Return a 16-hex-digit content hash of JSON-serialisable `parts`."""
    return hashlib.sha256(_CANONICAL.encode(parts).encode()).hexdigest()[:16]


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**31) that depends only on `parts`, so any order of work gives it."""
    return int(digest(*parts), 16) % 2**31


class Record(BaseModel):
    """Base of everything on disk: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _is_known(version: int) -> int:
    if version != SCHEMA_VERSION:
        kind = "newer" if version > SCHEMA_VERSION else "older"
        raise ValueError(f"{version} is {kind} than {SCHEMA_VERSION}, which this program reads")
    return version


SchemaVersion = Annotated[int, AfterValidator(_is_known)]
"""The version of a record; one of another version is refused, not guessed at."""


def _is_file_name(name: str) -> str:
    if not name or name in (".", "..") or re.search(r"[/\0]", name) or len(name.encode()) > 250:
        raise ValueError(f"'{name[:60]}' must do as the name of a file, without a folder")
    return name


FileName = Annotated[str, AfterValidator(_is_file_name)]
"""A name in a record after which files are called: it stays within their folder."""
