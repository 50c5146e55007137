"""What commands with `--push-to-hub` have in common."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.text import Text

from aloe.console import show
from aloe.errors import ConfigError

if TYPE_CHECKING:
    from aloe.training.push import Push


def plan_push(
    repo: str | None, kind: Literal["dataset", "model"], *, public: bool, dry_run: bool = False
) -> "Push | None":
    """Return where to push, None if that was not asked for; the hub is asked whether it may be.

    Raises:
        ConfigError: flags need `--push-to-hub`, it names no repository, or the token will not do.
        ModelError: the hub cannot be reached.
    """
    if repo is None:
        if public or dry_run:
            raise ConfigError(f"{'--public' if public else '--dry-run'} needs --push-to-hub")
        return None
    from aloe.training.push import Push, check_push

    push = Push(repo=repo, kind=kind, public=public)
    if not dry_run:
        check_push(push)
    return push


def push_or_show(folder: Path, push: "Push", *, dry_run: bool, as_json: bool) -> dict[str, Any]:
    """Push a folder, or show what would go; return what `--json` says of it.

    Raises:
        ConfigError: it has no card, or may not be pushed.
        ModelError: the hub cannot be reached, or refuses it.
    """
    from aloe.models.hub import format_size
    from aloe.training.push import list_files, push_folder

    files = list_files(folder)
    where = f"{push.visibility} {push.kind} {push.repo}"
    if dry_run:
        lines = [f"{format_size(size):>10}  {name}" for name, size in files.items()]
        show(Text("\n".join([f"would go to the {where}:", *lines])), as_json=as_json, lines=True)
        return {"push": {"repo": push.repo, "files": files, "address": None}}
    address = push_folder(folder, push)
    show(Text(f"pushed to the {where}: {address}"), as_json=as_json, lines=True)
    return {"push": {"repo": push.repo, "files": files, "address": address}}
