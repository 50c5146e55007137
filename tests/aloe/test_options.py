"""A dataclass of flags becomes a command's flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from aloe.options import Seed, with_flags


@dataclass(frozen=True, kw_only=True)
class Flags:
    out: Annotated[Path, typer.Option("--out", help="Where to.")]
    seed: Seed = None


taken: list[tuple[Flags, str]] = []


@with_flags
def command(flags: Flags, word: Annotated[str, typer.Option("--word")] = "none") -> None:
    """Take the flags."""
    taken.append((flags, word))


def run(*arguments: str, code: int = 0) -> str:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(command)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == code
    return result.output


def test_flags_reach_the_command_as_one_argument() -> None:
    run("--out", "there", "--seed", "3", "--word", "yes")
    run("--out", "there")
    assert taken == [
        (Flags(out=Path("there"), seed=3), "yes"),
        (Flags(out=Path("there")), "none"),
    ]


def test_what_has_to_be_given_stands_first_and_is_asked_for() -> None:
    page = run("--help")
    assert "Take the flags." in page
    assert page.index("--out") < page.index("--word") < page.index("--seed")
    assert "--out" in run("--seed", "3", code=2)
