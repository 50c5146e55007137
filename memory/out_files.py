"""Where a command may write the file it is asked for: over nothing that aloe keeps itself."""

from collections.abc import Iterable
from pathlib import Path

from aloe.config.trust import RECORDS, find_stored
from aloe.errors import ConfigError
from aloe.memory.pool.files import POOL, is_pool
from aloe.memory.relabelling import COMPANIONS
from aloe.memory.run_folder import find_home
from aloe.memory.run_inputs import CASES

RUN_FILES = frozenset({*RECORDS, *COMPANIONS, CASES, "result.json", "errors.log"})
"""What a run or a benchmark keeps in its folder; other files there are the user's."""


def check_out(out: Path, sources: Iterable[Path], flag: str = "--out") -> None:
    """Make sure that the output file is neither an input nor one that a run, model or pool keeps.

    Args:
        out: the file.
        sources: run folders, or files.
        flag: what names the file on the command line.

    Raises:
        ConfigError: it is.
    """
    for source in sources:
        if out.resolve() in (source.resolve(), (source / "trees.jsonl").resolve()):
            raise ConfigError(f"{flag} is also the input ({source}); name another file")
    if find_home(out.resolve()) != out.resolve():
        raise ConfigError(f"{flag} {out} holds the trees of a run; name another file")
    if is_pool(out):
        raise ConfigError(f"{flag} {out} is a pool of personas; name another file")
    for each in (out.resolve(), out.parent.resolve() / out.name):  # a link may lead in, or out
        if owner := _find_owner(each):
            raise ConfigError(f"{flag} {out} is a file that {owner} keeps; name another file")


def _find_owner(file: Path) -> str | None:
    """Return whose file it is; None if it is the user's."""
    folder = file.parent
    config = folder / "config.toml"
    if file.name in RUN_FILES and config.exists() and find_stored(config):
        return "a run"
    if file.exists() and (folder / "training.json").is_file():
        return "a trained model"  # libraries name its files, so every one that is there counts
    return "a pool of personas" if file.exists() and folder.suffix == POOL else None
