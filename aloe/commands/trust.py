"""`aloe trust`: let the settings of a run that came from elsewhere act."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from aloe.console import finish, show
from aloe.options import Json


def trust(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Run folder.")],
    as_json: Json = False,
) -> None:
    """Let the settings of a run folder that came from elsewhere import code and use keys.

    Shows what DIR/config.toml reaches, and remembers it by content: any change needs your
    consent again. Read the file first, and the code that it names.

    Example: `aloe trust runs/received`
    """
    from aloe.config.loading import read_with_text
    from aloe.config.trust import reach
    from aloe.config.trust import trust as remember

    config, text = read_with_text(folder / "config.toml")
    reached = reach(config)
    if reached:
        remember(text, config)
        said = "\n  ".join((f"{folder} may now:", *reached))
    else:
        said = f"{folder} needs no trust: its settings import nothing and name no key"
    show(Text(said), as_json=as_json, lines=True)
    finish({"folder": str(folder), "trusted": reached}, as_json=as_json)
