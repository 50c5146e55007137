"""The example that ships with the program: what its own commands left, to be looked at offline.

`example.zip` holds run folders and bench folders as they were (`aloe.benchmark.recording` wrote
it), so every command that reads one works on it, with no model and no network.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from zipfile import ZipFile

from aloe.benchmark.bench_result import BenchResult
from aloe.benchmark.card import format_named
from aloe.benchmark.dialogue_pair import DialoguePair
from aloe.benchmark.folder import RESULT, read_bench
from aloe.benchmark.tables import LABELS
from aloe.console import say
from aloe.errors import StoreError
from aloe.files.writing import explain_failure, replace_folder
from aloe.views.folding import Table

ARCHIVE = Path(__file__).parent / "example.zip"

TREES, FREE_TEXT, BASE, TRAINED = "trees", "free-text", "base", "trained"
"""Folders of the archive: two runs, whose users have checkable wishes or are played by a model, and
two benches."""
README = "README.md"
"""What they are."""
HEADING = "# A recorded example\n"
"""How that begins, in every version."""

FIGURES = ("known", "al_mean", "al_last", "gain", "gain_last")
"""What the benchmark's table is cut down to."""


@dataclass(frozen=True, kw_only=True)
class RecordedExample:
    """A copy of the example."""

    path: Path

    def find_pair(self) -> DialoguePair | None:
        """Return a dialogue with the base and with the trained model, as `DialoguePair.find` does.

        Raises:
            InputError: the copy was damaged.
        """
        before, after = (read_bench(self.path / name) for name in (BASE, TRAINED))
        return DialoguePair.find((BASE, TRAINED), before, after)

    def tabulate(self) -> Table:
        """Return what the benchmark says of the base and of the trained model.

        Raises:
            InputError: the copy was damaged.
        """
        results = [BenchResult.read(self.path / name / RESULT) for name in (BASE, TRAINED)]
        table = Table(box=None, header_style="bold", pad_edge=False)
        suites = [next(iter(each.by_suite().values())) for each in results]
        table.add_column(f"{suites[0].dialogues} users")
        for name in (BASE, TRAINED):
            table.add_column(name, justify="right")
        for figure in FIGURES:
            values = (format_named(figure, suite.figures.get(figure)) for suite in suites)
            table.add_row(LABELS[figure].strip(), *values)
        return table


def copy_example(path: Path) -> bool:
    """Copy the example into a folder, whole or not at all.

    An example of another version that is there goes aside, with all that was made from it.

    Returns:
        Whether it was written; False if it is there already.

    Raises:
        StoreError: something else is there, or nothing can be written.
    """
    with ZipFile(ARCHIVE) as archive:
        there = _read_about(path)
        if there == archive.read(README):
            return False
        if there.startswith(HEADING.encode()):
            _set_aside(path)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StoreError(f"{path} holds something else; name another folder")
        with replace_folder(path) as part:
            archive.extractall(part)
    return True


def _set_aside(path: Path) -> None:
    names = (path.with_name(f"{path.name}-before-{number}") for number in count(1))
    target = next(name for name in names if not name.exists())
    with explain_failure(path):
        path.rename(target)
    say(f"moved the example of another version from {path} to {target}")


def _read_about(path: Path) -> bytes:
    """Return what the example in a folder says of itself; empty if there is no such file."""
    readme = path / README
    return readme.read_bytes() if readme.is_file() else b""
