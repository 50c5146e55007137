"""The pages of `aloe view`: made when they are asked for, and of nothing but the listed runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from urllib.parse import quote

from aloe.benchmark.folder import SCORES, Bench
from aloe.benchmark.listed_runs import FoundRuns, ListedRun, choose_pair, find_runs
from aloe.benchmark.report import render_report
from aloe.errors import AloeError, InputError
from aloe.memory.run_page import render_run
from aloe.page import Live, render_page
from aloe.schema import digest

HERE = Path(__file__).parent

SHOWN = 200
"""Trees of a simulation that its page includes."""

RUN, STATE, COMPARE, ICON = "/run/", "/state", "/compare", "/favicon.ico"
"""What addresses begin with, or are."""

NOWHERE = "Choose a run from the list of all runs; what you look for may have been moved."


@dataclass(frozen=True)
class ServedPage:
    """What the server says."""

    status: int
    text: str
    kind: str = "text/html; charset=utf-8"


@dataclass(frozen=True)
class RunPages:
    """The pages over the runs in some folders.

    Args:
        folders: see `aloe.benchmark.listed_runs.find_runs`.
    """

    folders: Sequence[Path]

    def answer(self, path: str, query: dict[str, str]) -> ServedPage:
        """Return the page at an address.

        Args:
            path: without its query, decoded.
            query: its parameters.
        """
        if path == ICON:
            return ServedPage(204, "")
        try:
            found = find_runs(self.folders)
        except AloeError as error:
            return _message(500, "There are no runs", str(error))
        runs = found.runs
        if path == "/":
            return ServedPage(200, self._list(found))
        if path == STATE:
            return _state(runs, query.get("run"))
        if path == COMPARE:
            return _compare(runs, query.get("left", ""), query.get("right", ""))
        run = runs.get(path.removeprefix(RUN)) if path.startswith(RUN) else None
        return _show(run) if run else _message(404, "There is no such page", NOWHERE)

    def _list(self, found: FoundRuns) -> str:
        runs = found.runs
        lines = [{**run.describe(), "address": _address(run.name)} for run in runs.values()]
        title = ", ".join(_name_folders(self.folders))
        live = Live(state=STATE, version=_list_version(runs))
        return render_page(
            HERE / "runs.html",
            title,
            live=live,
            runs=lines,
            compare=COMPARE,
            pair=choose_pair([*runs.values()]),
            caution=found.caution,
        )


def _name_folders(folders: Sequence[Path]) -> list[str]:
    """Return what a list calls folders: by name, or by path where two have the same."""
    whole = [*dict.fromkeys(folder.resolve() for folder in folders)]
    names = Counter(path.name for path in whole)
    return [path.name if names[path.name] == 1 else str(path) for path in whole]


def _show(run: ListedRun) -> ServedPage:
    """Return the page of a run; where it cannot be made, why, until that has changed."""
    live = Live(state=f"{STATE}?run={quote(run.name)}", version=run.version)
    try:
        return ServedPage(200, _render(run, live))
    except (AloeError, OSError) as error:
        return _message(500, f"{run.name} cannot be shown", str(error), live)


def _render(run: ListedRun, live: Live) -> str:
    if not run.is_bench:
        return render_run(run.path, shown=SHOWN, live=live).html
    if not (run.path / SCORES).exists():
        raise InputError(run.path, "no dialogue is rated yet")
    bench = Bench(path=run.path)
    return render_report(bench, bench.passports, live)


def _compare(runs: dict[str, ListedRun], left: str, right: str) -> ServedPage:
    if left not in runs or right not in runs:
        return _message(404, "There is no such run", NOWHERE)
    sides = [{"name": name, "address": _address(name)} for name in (left, right)]
    title = f"{left} and {right}"
    return ServedPage(200, render_page(HERE / "side_by_side.html", title, served=True, sides=sides))


def _state(runs: dict[str, ListedRun], name: str | None) -> ServedPage:
    """Return the version of a run's page, or of the list; empty for a run that is gone."""
    known = {each.name: each.version for each in runs.values() if each.name == name}
    version = _list_version(runs) if name is None else known.get(name, "")
    return ServedPage(200, version, "text/plain; charset=utf-8")


def _list_version(runs: dict[str, ListedRun]) -> str:
    return digest(*((run.name, run.version) for run in runs.values()))


def _address(name: str) -> str:
    return RUN + quote(name)


def explain_fault(address: str, error: Exception) -> tuple[str, ServedPage]:
    """Return what to say, in one line and as a page, where a page failed unforeseen."""
    place = extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split())
    said = f"{what} ({Path(place.filename).name}:{place.lineno}); this is a bug in aloe"
    return f"{address} cannot be shown: {said}", _message(500, f"{address} cannot be shown", said)


def _message(status: int, title: str, text: str, live: Live | None = None) -> ServedPage:
    return ServedPage(status, render_page(HERE / "message.html", title, live=live, text=text))
