"""`aloe doctor`: is everything here that a run needs?"""

from typing import Annotated

import typer
from rich.text import Text

from aloe.console import finish, show
from aloe.errors import EXIT_CODE
from aloe.options import BaseUrl, ConfigFile, Json, ModelName, Seed
from aloe.views.folding import Table


def doctor(
    model: ModelName = None,
    base_url: BaseUrl = None,
    config: ConfigFile = None,
    seed: Seed = None,
    as_json: Json = False,
    talk: Annotated[bool, typer.Option(help="Make one real call for each role.")] = True,
) -> None:
    """Check the installation, the settings, and that each model's answers are usable.

    Example: `aloe doctor --model openai:gpt-4o-mini`
    """
    from aloe import config as settings
    from aloe.graphs.checkup import check_everything

    resolved = settings.load(config, {"seed": seed}).with_model(model, base_url)
    checks = list(check_everything(resolved, talk=talk))
    table = Table(box=None, show_header=False)
    for what, well, found in checks:
        table.add_row(Text("ok", "green") if well else Text("no", "red"), what, found)
    show(table, as_json=as_json)
    ok = all(check.well for check in checks)
    finish({"ok": ok, "checks": checks}, as_json=as_json)
    if not ok:
        raise typer.Exit(EXIT_CODE)
