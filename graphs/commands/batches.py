"""`aloe batches`: what a run's batches have come to, and how to end them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, show
from aloe.errors import InputError
from aloe.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aloe.calls.batch_ledger import BatchLedger, SentBatch
    from aloe.calls.batch_server import BatchServer


def batches(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Run folder or bench folder of a --batch run.")
    ],
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Cancel them; answers so far are kept.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the batches that a run waits for, or cancel them at the server.

    Only those with answers that have not arrived are shown. To pick the answers up, run the command
    that sent them again; that also sends the rest of a cancelled batch.

    Example: `aloe batches runs/first --cancel`
    """
    from aloe.calls.batch_ledger import ledgers_in
    from aloe.loop import make_runner

    if not folder.is_dir():
        raise InputError(folder, "there is no such folder")
    waiting = [
        (sent, server)
        for ledger in ledgers_in(folder)
        if (awaited := ledger.awaited())
        for sent, server in zip(awaited, _open_servers(ledger, awaited), strict=True)
    ]
    with make_runner() as loop:
        found = loop.run(_look_at(waiting, cancel=cancel))
    if not found:
        say(f"{folder} waits for no batch")
    for each in found:
        line = f"{each['id']}: {each['status']}, {each['done']:,} of {each['calls']:,} done"
        show(f"{line}, {each['model']}, sent {each['sent']}", as_json=as_json)
    finish({"batches": found}, as_json=as_json)


def _open_servers(ledger: "BatchLedger", awaited: "Sequence[SentBatch]") -> "list[BatchServer]":
    """Return the server of each batch: a model of the run's own settings, once they are trusted.

    The list of batches may come from elsewhere, so what it names is looked up and never opened.

    Raises:
        ConfigError: the settings are not trusted.
        InputError: there are none, or they do not name the server and key of a batch.
    """
    from aloe import config as settings
    from aloe.calls.batch_rounds import is_batchable
    from aloe.calls.batch_server import BatchServer
    from aloe.config.sent_key import SentKey
    from aloe.models.api_key import key_variable
    from aloe.models.key_server import announce_keys
    from aloe.models.open import open_model
    from aloe.models.providers import parse_model

    config = settings.load(ledger.path.with_name("config.toml"))
    wanted = {sent.key_variable for sent in awaited}
    named = {}
    for each in filter(is_batchable, settings.find_models(config)):
        if key_variable(each, at_openai=not parse_model(each).base_url) in wanted:
            model = open_model(each)
            server = BatchServer(model, config.limits.batch_poll)
            named[model.key_variable, server.api.url.rstrip("/")] = model, server
    found = []
    for sent in awaited:
        if (where := (sent.key_variable, sent.url.rstrip("/"))) not in named:
            key = SentKey(*where) if sent.key_variable else f"calls to {where[1]}"
            raise InputError(ledger.path, f"sends {key}, which config.toml beside it does not name")
        model, server = named[where]
        announce_keys([(model.config, model.chat)])
        found.append(server)
    return found


async def _look_at(
    waiting: "Sequence[tuple[SentBatch, BatchServer]]", *, cancel: bool
) -> list[dict[str, Any]]:
    """Ask the servers about batches, and end them if that is wished."""
    import time

    found = []
    for sent, server in waiting:
        remote = await (server.get(sent.id) if sent.id else server.find(sent.file))
        if remote and cancel and not remote.ended:
            remote = await server.cancel(remote.id)
        found.append(
            {
                "id": remote.id if remote else sent.file,
                "status": remote.status if remote else "never started",
                "done": remote.done if remote else 0,
                "calls": len(sent.calls),
                "model": sent.model,
                "sent": time.strftime("%Y-%m-%d %H:%M", time.localtime(sent.started)),
            }
        )
    return found
