"""Plug-ins: custom code that is named in settings or on the command line.

`MODULE:NAME` is looked up in the working folder as well as in what is installed, so a file beside
the settings is enough to bring a custom role, policy, judge or reward. A package that is installed
can offer the same under a short name: an entry point of the group `aloe.KIND`. What a script gives
as it is, a function say, is kept under a name of its own (`aloe.kept`).
"""

import importlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from aloe.control_characters import encodable
from aloe.errors import ConfigError
from aloe.kept import KEPT, find_kept
from aloe.signatures import check_call

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = Literal["roles", "expansions", "judges", "validators", "exporters", "metrics"]
"""What can be brought; each is an entry-point group named `aloe.KIND`."""

KINDS: tuple[Kind, ...] = get_args(Kind)


def import_named(name: str, problem: str) -> Any:
    """Import what `name`, `MODULE:NAME`, names; `problem` opens the error if it cannot be.

    Raises:
        ConfigError: there is no such module, it fails when imported (with file and line), or
            nothing of that name is in it.
    """
    module, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{problem} ({error})") from None
    except Exception as error:
        raise ConfigError(f"{problem}: its module fails ({describe_error(error)})") from None


def load_plugin(kind: Kind, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
    """Return what `name` names: `MODULE:NAME`, or the name of an installed entry point.

    Args:
        kind: what it is to be.
        name: as settings or the command line have it.
        arguments: what settings will give it; None: they are not known yet.

    Raises:
        ConfigError: it cannot be found or imported, or not be called as it will be.
    """
    target = _find_plugin(kind, name)
    check_call(kind, name, target, arguments)
    return target


def lives_here(name: str) -> bool:
    """Whether no other process can import what is named: it was made in this one."""
    return name.startswith((KEPT, "__main__:"))


def _find_plugin(kind: Kind, name: str) -> Any:
    if name.startswith(KEPT):
        return find_kept(name, f"name the {kind[:-1]} as MODULE:NAME")
    if ":" in name:
        return import_named(name, f"{kind[:-1]} '{name}' cannot be found")
    found = {point.name: point for point in entry_points(kind)}
    if name not in found:
        known = f"there are {', '.join(sorted(found))}; " if found else ""
        raise ConfigError(
            f"{kind[:-1]} '{name}' is offered by no installed package; {known}"
            "name what is in your own file as MODULE:NAME"
        )
    return import_named(found[name].value, f"{kind[:-1]} '{name}' cannot be found")


def entry_points(kind: Kind) -> "tuple[EntryPoint, ...]":
    """Return what installed packages offer of a kind."""
    from importlib import metadata

    return tuple(metadata.entry_points(group=f"aloe.{kind}"))


def describe_error(error: BaseException) -> str:
    """Return what went wrong, after the file and line of the custom code where it did, if any."""
    text = " ".join(encodable(f"{type(error).__name__}: {error}").split()).removesuffix(":")
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {text}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.lineno]
    last = next((frame for frame in reversed(frames) if is_custom(frame.filename)), None)
    return f"{last.filename}:{last.lineno}: {text}" if last else text


def is_custom(filename: str) -> bool:
    """Whether a file is neither this program's nor Python's nor an installed package's."""
    others = ("<", sys.base_prefix, f"{Path(__file__).parent}/")
    return not filename.startswith(others) and "site-packages" not in filename
