"""`aloe example`: a recorded run to look at, without a model."""

from pathlib import Path
from typing import Annotated

import typer

from aloe.console import finish, say, say_written, show, show_text
from aloe.options import Json, Svg


def example(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to.")] = Path(
        "runs/example"
    ),
    svg: Svg = None,
    name_next: Annotated[
        bool, typer.Option("--next/--no-next", help="Whether to end with what to try next.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Copy a recorded run: conversation trees, and a benchmark before and after training.

    Shows one user's dialogue with both models. trace, report, view, export and bench compare work
    on the copy at once: no key, no model, no network. DIR/README.md says how it was recorded.

    Example: `aloe example runs/example`
    """
    from aloe.benchmark.example import RecordedExample, copy_example
    from aloe.views.picture import save_svg

    written = copy_example(folder)
    if written:
        say_written(folder)
    found = RecordedExample(path=folder)
    pair, commands = found.find_pair(), _name_commands(folder)
    if pair:
        show(pair, as_json=as_json)
        if svg:
            save_svg(pair, svg, title="aloe example")
            say_written(svg)
    show(found.tabulate(), as_json=as_json)
    if name_next:  # never wrapped, so that it can be copied
        lines = "\n".join(["\nnext:", *(f"  {each}" for each in commands)])
        say(lines) if as_json else show_text(lines)
    result = {
        "out": str(folder),
        "written": written,
        "dialogue": pair.trees[0].id if pair else None,
        "next": commands,
    }
    finish(result, as_json=as_json)


def _name_commands(folder: Path) -> list[str]:
    """Return what to try next."""
    trees = folder / "trees"
    return [
        f"aloe trace {trees} --highlight",
        f"aloe trace {folder / 'free-text'} --first",
        f"aloe bench compare {folder / 'base'} {folder / 'trained'}",
        f"aloe export {trees} --format dpo --label return --out {folder / 'pairs.jsonl'}",
        f"aloe view {folder} --open",
    ]
