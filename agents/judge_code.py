"""What a judge of one's own is made of: hashes by which it shows that it is another one now.

Settings name it by module and name, and what it is made with by paths; both stay the same when a
function is edited, or a model trained anew into the same folder.
"""

import inspect
import sys
from collections.abc import Mapping
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

from aloe.models.fingerprint import describe
from aloe.models.weights import (
    ADAPTER,
    adapter_base,
    find_loaded,
    hash_files,
    model_path,
    plain_name,
)
from aloe.plugins import is_custom
from aloe.record import digest
from aloe.secrets import leaves
from aloe.signatures import written


def hash_own(use: str, target: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes of the user's own code and of files that it is made with.

    Args:
        use: `MODULE:NAME` or the name of an entry point.
        target: what it names, a class or a function.
        arguments: what it is made with; a text that is the path of a file or folder, or `hf:` and
            such a path, counts with what is there.

    Returns:
        By `use` that of its source: its file, and files of the user's own that this imports,
        wherever it does. By path those of the others, folders with all that is in them.

    Raises:
        ConfigError: an adapter does not name its base.
        ModelError: a file cannot be read.
    """
    sources = _find_sources(use, target)
    code = hash_files(sources) if sources else digest(repr(describe(target)))
    texts = (str(value) for _, value in leaves(arguments) if isinstance(value, str | Path))
    named = {plain_name(text): files for text in texts if (files := _find_files(text))}
    return {use: code, **{text: hash_files(files) for text, files in sorted(named.items())}}


def _find_sources(use: str, target: Any) -> list[Path]:
    """Return the files that a plug-in's source is in; none of what was typed into a console."""
    found = set[Path]()
    module = sys.modules.get(use.partition(":")[0]) if ":" in use else None
    for file in (getattr(inspect.getmodule(written(target)), "__file__", None),
                 getattr(module, "__file__", None)):  # fmt: skip
        if file and Path(file).is_file():
            found.add(Path(file))
    if module and found:
        found |= _find_imported(module.__name__, getattr(module, "__file__", None))
    return sorted(found, key=lambda file: (file.name, file))


def _find_imported(module: str, file: str | None) -> set[Path]:
    """Return the files of the user's own that a module imports, itself among them."""
    places = [each or "." for each in sys.path if is_custom(f"{Path(each).absolute()}/")]
    finder = ModuleFinder(path=places, excludes=["aloe"])
    if module != "__main__":
        finder.import_hook(module)
    elif file:
        finder.run_script(file)
    files = [getattr(each, "__file__", None) for each in finder.modules.values()]
    return {
        Path(each).absolute() for each in files if each and is_custom(str(Path(each).absolute()))
    }


def _find_files(text: str) -> list[Path]:
    """Return the file that a text names, or those of a folder; none if there is neither."""
    if Path(text).name in ("", "..", "~"):  # a text such as "." names nothing in particular
        return []
    path = model_path(text)
    try:
        if path.is_file():
            return [path]
        below = path.rglob("[!.]*") if path.is_dir() else ()
        files = sorted(file for file in below if file.is_file())
    except (OSError, ValueError):  # too long for a path, or of characters that none has
        return []
    if (path / ADAPTER).is_file():
        files += find_loaded(adapter_base(path))
    return files
