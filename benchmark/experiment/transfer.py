"""What a model gains with users it was not trained on: other disclosure, other phrases."""

from collections.abc import Sequence

from aloe.benchmark.compare import Side
from aloe.benchmark.experiment.goals import compute_differences
from aloe.benchmark.experiment.pipeline import BASE, Cell
from aloe.benchmark.figures import Figure
from aloe.benchmark.folder import read_bench
from aloe.benchmark.markdown import format_interval, format_table

METRICS = {"al_mean": "Average AL", "gain": "Own - swapped"}


def measure_gains(cell: Cell) -> dict[str, Figure]:
    """Return by how much the model of a cell exceeds the base, by metric."""
    base, model = (
        Side(name=name, rows=read_bench(folder).rows())
        for name, folder in ((BASE, cell.base), ("model", cell.model))
    )
    return compute_differences(base, model)


def tabulate_transfer(cells: Sequence[Cell], label: str = "") -> str:
    """Return the gains over the base, by users trained on and users tested on.

    Args:
        cells: the matrix.
        label: what the models learnt from, behind the word "trees".
    """
    if not cells:
        return ""
    columns = dict.fromkeys((cell.tested, cell.phrases) for cell in cells)
    titles = {"train": "phrases of training", "test": "phrases never heard"}
    head = ["", "trained on", *(f"{tested}, {titles[phrases]}" for tested, phrases in columns)]
    rows: dict[tuple[str, str], list[str]] = {}
    gains = [(cell.trained, measure_gains(cell)) for cell in cells]
    for metric, name in METRICS.items():
        for trained, found in gains:
            rows.setdefault((name, trained), []).append(format_interval(found[metric]))
    note = (
        "Above the base's with the same test users. In the rows are the users of the "
        f"trees{label}; in the columns, those that the models then met."
    )
    table = format_table(head, [(*names, *each) for names, each in rows.items()], numeric=True)
    return "\n\n".join(["## Transfer", note, table])
