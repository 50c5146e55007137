"""Record the example that ships: `python -m aloe.benchmark.recording --help`.

What is recorded are folders that commands of this program left: the first trees of two runs, and
whole bench folders of the base and of a trained model, controls left out: their figures stand in
the results. Nothing is chosen or changed.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.example import (
    ARCHIVE,
    BASE,
    FREE_TEXT,
    HEADING,
    README,
    TRAINED,
    TREES,
)
from aloe.benchmark.folder import CASES, CONFIG, RESULT, SCORES
from aloe.calls.event import read_events
from aloe.config import Config, read_stored
from aloe.console import say
from aloe.errors import StoreError
from aloe.files.archive import pack_files
from aloe.files.writing import replace_bytes
from aloe.memory.run_folder import read_trees

MOST_BYTES = 1_000_000
"""Of the archive: it travels with the package."""
BENCH_FILES = (CONFIG, CASES, "trees.jsonl", SCORES, "events.jsonl", RESULT)
RUN_FILES = (CONFIG, "prompts.json")

Files = dict[str, bytes]
"""Contents by name inside of the archive."""

TEXT = """\
Recorded with aloe {version}. Nothing in it was chosen by hand.

- `trees/`: the first {count} conversation trees of {trees_by}, {trees_day}. Users are
  {users}; their wishes can be checked by a program, so rules play and judge them. Assistants:
  {assistants}. Each comparison has two labels: the judge's, and one by what came of the reply.
- `free-text/`: {free_count} trees of a run of {free_day}. Users are personas in free text
  ({free_users}), played by the model that also answers and judges: {free_models}.
  It is a small model, and a poor judge: read what is said, not who wins.
- `base/`, `trained/`: the benchmark of {base} before training, and of the trained model
  ({trained}), both of {pair_by}, {day}:
  {dialogues} users whom training never met, {turns} turns each. Of other conditions, such as
  `ceiling`, the results hold the figures, and no dialogue is here.

The models are small: look at what they keep of what they are told, not at what they know.
"""


def record(
    trees: Annotated[Path, typer.Option(help="Run folder, labelled by return.")],
    calls: Annotated[Path, typer.Option(help="Run folder that holds the calls of these trees.")],
    free_text: Annotated[Path, typer.Option(help="Run folder whose users a model plays.")],
    base: Annotated[Path, typer.Option(help="Bench folder of the base.")],
    trained: Annotated[Path, typer.Option(help="Bench folder of the trained model.")],
    trees_by: Annotated[str, typer.Option(help="What made the trees, in Markdown.")],
    pair_by: Annotated[str, typer.Option(help="What made both benchmarks, in Markdown.")],
    count: Annotated[int, typer.Option(min=1, help="How many trees.")] = 20,
    out: Annotated[Path, typer.Option(help="The archive.")] = ARCHIVE,
) -> None:
    """Write the archive."""
    files = {
        **_take_trees(TREES, trees, calls, count),
        **_take_trees(FREE_TEXT, free_text, free_text, count),
        **_take(BASE, base, BENCH_FILES),
        **_take(TRAINED, trained, BENCH_FILES),
    }
    files[README] = _describe(files, calls, free_text, base, trained, trees_by, pair_by).encode()
    write_archive(out, files)
    say(f"wrote {out}, {out.stat().st_size / 1e3:.0f} kB")


def write_archive(path: Path, files: Files) -> None:
    """Write the archive.

    Raises:
        StoreError: it is larger than `MOST_BYTES`.
    """
    packed = pack_files(files)
    if len(packed) > MOST_BYTES:
        raise StoreError(f"{path} would exceed {MOST_BYTES / 1e6:g} MB; record fewer trees")
    replace_bytes(path, packed)


def _take_trees(name: str, trees: Path, calls: Path, count: int) -> Files:
    """Return the first trees of a run and their calls."""
    first = list(islice(read_trees(trees), count))
    events = (e for tree in first for e in read_events(calls / "events.jsonl", tree.id))
    files = {
        f"{name}/trees.jsonl": _join(tree.model_dump_json() for tree in first),
        f"{name}/events.jsonl": _join(json.dumps(event, ensure_ascii=False) for event in events),
    }
    return files | _take(name, calls, RUN_FILES)


def _take(name: str, folder: Path, files: Sequence[str]) -> Files:
    """Return those of these files that a folder holds."""
    there = (each for each in files if (folder / each).exists())
    return {f"{name}/{each}": (folder / each).read_bytes() for each in there}


def _join(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _describe(
    files: Files,
    calls: Path,
    free_text: Path,
    base: Path,
    trained: Path,
    trees_by: str,
    pair_by: str,
) -> str:
    """Return what was recorded: where the models, users and dates come from, as read there."""
    before, after = (BenchResult.read(path / RESULT) for path in (base, trained))
    config, free = (read_stored(each / CONFIG) for each in (calls, free_text))
    suite = next(iter(after.by_suite().values()))
    return f"{HEADING}\n" + TEXT.format(
        trees_by=trees_by,
        trees_day=_last_day(calls),
        pair_by=pair_by,
        day=_last_day(trained),
        version=after.version,
        count=files[f"{TREES}/trees.jsonl"].count(b"\n"),
        assistants=_name_models(config),
        users=config.user.disclosure,
        free_count=files[f"{FREE_TEXT}/trees.jsonl"].count(b"\n"),
        free_day=_last_day(free_text),
        free_users=free.user.disclosure,
        free_models=_name_models(free),
        base=before.candidate,
        trained=after.candidate,
        dialogues=suite.dialogues,
        turns=len(suite.curves["own"]),
    )


def _last_day(folder: Path) -> date:
    """Return the day of the last call of a folder, in UTC."""
    last = max(event.get("started", 0.0) for event in read_events(folder / "events.jsonl"))
    return datetime.fromtimestamp(last, UTC).date()


def _name_models(config: Config) -> str:
    """Return the models of the assistants."""
    return ", ".join(sorted({each.model for each in config.models.assistants}))


if __name__ == "__main__":
    typer.run(record)
