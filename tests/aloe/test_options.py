"""A dataclass of flags becomes a command's flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from command import RunAloe
from typer.testing import CliRunner

from aloe.errors import ConfigError
from aloe.options import Seed, refuse_empty, refuse_unread, with_flags


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


def test_flags_that_would_not_be_read_are_named() -> None:
    refuse_unread({"--a": None, "--b": False, "--c": []}, "beside --d")
    with pytest.raises(ConfigError, match="--a would not be read beside --d; leave it out"):
        refuse_unread({"--a": 0, "--b": False}, "beside --d")
    with pytest.raises(ConfigError, match="--b, --c would not be read without --d; leave them out"):
        refuse_unread({"--a": None, "--b": True, "--c": ["x"]}, "without --d")


@pytest.mark.parametrize(
    ("arguments", "better"),
    [
        (("trace", "run", "--svg", "x.png"), "name it x.svg"),
        (("chat", "--model", "m", "--svg", "a.b/x.PNG"), "name it a.b/x.svg"),
        (("report", "run", "--out", "x.pdf"), "name it x.html"),
        (("trees", "merge", "run", "--out", "x.parquet"), "name it x.jsonl"),
        (("judge", "audit", "--out", "pass"), "name it pass.json"),
        (("personas", "stats", "pool", "--map", "x.svg"), "name it x.png"),
    ],
)
def test_a_file_is_named_after_what_it_will_hold(
    aloe: RunAloe, arguments: tuple[str, ...], better: str
) -> None:
    assert aloe(*arguments).is_one_line_about(f"{arguments[-1]} would hold", better)


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("trace", "run", "--tree", ""), "--tree"),
        (("trace", "run", "--search="), "--search"),
        (("trace", ""), "after trace"),
        (("personas", "verifiable", "--about", "emoji", "--about", ""), "--about"),
        (("simulate", "--out", "", "--personas", "p.jsonl"), "--out"),
        (("train", "sft", "--data", "run", "--out", "m", "--config", ""), "--config"),
        (("",), "after aloe"),
    ],
)
def test_an_empty_value_is_not_taken_for_none(
    aloe: RunAloe, words: tuple[str, ...], place: str
) -> None:
    assert aloe(*words).is_one_line_about(f"aloe: {place}: the value is empty")


def test_what_is_not_empty_is_left_to_the_command() -> None:
    refuse_empty(["train", "sft", "--set", "training.model=", "-", "--", "=", "--out=a=b", " "])
