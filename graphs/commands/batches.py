"""`aloe batches`: what a run's batches have come to, and how to end them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe.console import finish, say, show
from aloe.errors import InputError
from aloe.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aloe.calls.batch_ledger import SentBatch


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
    waiting = [sent for ledger in ledgers_in(folder) for sent in ledger.awaited()]
    with make_runner() as loop:
        found = loop.run(_look_at(waiting, cancel=cancel))
    if not found:
        say(f"{folder} waits for no batch")
    for each in found:
        line = f"{each['id']}: {each['status']}, {each['done']:,} of {each['calls']:,} done"
        show(f"{line}, {each['model']}, sent {each['sent']}", as_json=as_json)
    finish({"batches": found}, as_json=as_json)


async def _look_at(waiting: "Sequence[SentBatch]", *, cancel: bool) -> list[dict[str, Any]]:
    """Ask the servers about batches, and end them if that is wished."""
    import time

    from aloe.calls.batch_server import BatchServer
    from aloe.config import LimitsConfig, ModelConfig
    from aloe.models.open import open_model

    found = []
    for sent in waiting:
        config = ModelConfig(model=sent.model, base_url=sent.url, api_key_env=sent.key_variable)
        server = BatchServer(open_model(config), LimitsConfig().batch_poll)
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
