"""Things of the user's own, named in settings as `MODULE:NAME`.

The working folder is looked in as well as what is installed, so a file beside the settings is
enough to bring a policy, a reward, an embedder or a scripted model of one's own.
"""

import importlib
import sys
from pathlib import Path
from typing import Any

from aloe.errors import ConfigError


def named(name: str, problem: str) -> Any:
    """Import what `name`, `MODULE:NAME`, names; `problem` opens the error if it cannot be.

    Raises:
        ConfigError: there is no such module, or nothing of that name in it.
    """
    module, _, attribute = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{problem} ({error})") from None
