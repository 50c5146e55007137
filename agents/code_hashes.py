"""What a user's own code is made of: hashes by which it shows that it is another one now.

Settings name a judge by module and name, and what it is made with by paths; both stay the same when
a function is edited, or a model trained anew into the same folder. So it is with other plug-ins.
"""

import inspect
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.machinery import PathFinder
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import aloe
from aloe.models.fingerprint import describe
from aloe.models.weights import (
    ADAPTER,
    adapter_base,
    find_loaded,
    hash_files,
    model_path,
    plain_name,
)
from aloe.plugins import is_custom, lives_here
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
    return {use: code, **hash_named(arguments)}


def hash_named(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the hashes of the files that a judge is made with, by path; see `hash_own`."""
    texts = (str(value) for _, value in leaves(arguments) if isinstance(value, str | Path))
    named = {plain_name(text): files for text in texts if (files := _find_files(text))}
    return {text: hash_files(files) for text, files in sorted(named.items())}


def hash_source(use: str, target: Any) -> str | None:
    """Return the hash of the source of what is not part of this program; None if it has none.

    What lives in this process only has a name made from its source already, or may change. Files of
    this program and of Python are left out, or no run would survive an upgrade.

    Args:
        use: `MODULE:NAME` or the name of an entry point.
        target: what it names.

    Raises:
        ModelError: a file cannot be read.
    """
    if lives_here(use):
        return None
    sources = [file for file in _find_sources(use, target) if not _is_shipped(str(file))]
    return hash_files(sources) if sources else None


def _is_shipped(file: str) -> bool:
    """Whether a file is this program's or Python's; an installed plug-in is neither."""
    ours = file.startswith(f"{Path(aloe.__file__).parent}/")
    return ours or not (is_custom(file) or "site-packages" in file)


def _find_sources(use: str, target: Any) -> list[Path]:
    """Return the files that a plug-in's source is in; none of what was typed into a console."""
    found = set[Path]()
    name = use.partition(":")[0]
    module = sys.modules.get(name) if ":" in use else None
    for file in (getattr(inspect.getmodule(written(target)), "__file__", None),
                 getattr(module, "__file__", None)):  # fmt: skip
        if file and Path(file).is_file():
            found.add(Path(file))
    if module and found:
        found |= _find_imported(name, getattr(module, "__file__", None))
    return sorted(found, key=lambda file: (file.name, file))


def _find_imported(module: str, file: str | None) -> set[Path]:
    """Return the files of the user's own that a module imports, itself among them."""
    places = [each or "." for each in sys.path if is_custom(f"{Path(each).absolute()}/")]
    finder = _Finder(path=places, excludes=["aloe"])
    if module != "__main__":
        with suppress(ImportError):  # installed, or found in a way of its own
            finder.import_hook(module)
    elif file:
        finder.run_script(file)
    files = [getattr(each, "__file__", None) for each in finder.modules.values()]
    return {
        Path(each).absolute() for each in files if each and is_custom(str(Path(each).absolute()))
    }


class _Finder(ModuleFinder):
    """Follows imports into folders without `__init__.py` too, at which the standard one breaks."""

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        spec = PathFinder.find_spec(name, path or self.path)
        if spec and spec.loader is None:
            return None, [*(spec.submodule_search_locations or ())], None
        return super().find_module(name, path, parent)

    def load_module(self, fqname: str, fp: Any, pathname: Any, file_info: Any) -> Any:
        if file_info:
            return super().load_module(fqname, fp, pathname, file_info)
        module: Any = self.add_module(fqname)
        module.__path__ = pathname
        return module


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
