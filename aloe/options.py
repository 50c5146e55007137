"""Options that several commands share, so that they read and behave the same everywhere."""

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, signature
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from aloe.errors import ConfigError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE.toml", help="Settings file; flags override it."),
]
RunOrTrees = Annotated[Path, typer.Argument(metavar="DIR", help="Run folder, or a trees.jsonl.")]
Json = Annotated[bool, typer.Option("--json", help="End stdout with one line of JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress display.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of all random choices.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="STR", help="Model for every role, such as openai:gpt-4o-mini."
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="OpenAI-compatible server for every role."),
]


def ending(*endings: str) -> Callable[[Path | None], Path | None]:
    """Return a check that a file to be written is named after what it will hold.

    Args:
        endings: what the name may end in; the first is proposed.
    """

    def check(path: Path | None) -> Path | None:
        if path is None or path.name.lower().endswith(endings):
            return path
        better = path.with_suffix(endings[0])
        raise ConfigError(f"{path} would hold {KINDS[endings[0]]}; name it {better}")

    return check


KINDS = {
    ".svg": "an SVG picture, which browsers show and rsvg-convert turns into PNG",
    ".html": "an HTML page, which a browser can print as PDF",
    ".png": "a PNG picture",
    ".json": "JSON",
    ".jsonl": "trees as JSON, one a line",
}
"""What files hold, by the end of their names."""

Svg = Annotated[
    Path | None,
    typer.Option(
        "--svg",
        metavar="FILE.svg",
        callback=ending(".svg"),
        help="Also save the last picture or screen, as SVG.",
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost", metavar="DOLLARS", min=0, help="Stop when the folder has cost this much."
    ),
]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", min=0, help="Stop after this many calls for the folder."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens", min=0, help="Stop after this many tokens for the folder, both ways."
    ),
]

Batch = Annotated[
    bool,
    typer.Option("--batch", help="Make calls in batches: half the price, up to 24 h each."),
]
Disclosure = Annotated[
    str | None,
    typer.Option(
        "--disclosure",
        metavar="schedule|answering|reticent",
        help="When users tell something about themselves.",
    ),
]

ForecastOnly = Annotated[
    bool, typer.Option("--dry-run", help="Only print the forecast; ask and write nothing.")
]
PushToHub = Annotated[
    str | None,
    typer.Option("--push-to-hub", metavar="ORG/NAME", help="Push there with HF_TOKEN, as private."),
]
Public = Annotated[bool, typer.Option("--public", help="Push to a public repository.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be pushed, send nothing.")]


def refuse_empty(words: Sequence[str]) -> None:
    """Make sure that no word of a command line is empty, as an unset variable leaves it.

    Commands would take some for a value and some for a flag that was not given.

    Raises:
        ConfigError: naming the flag.
    """
    for before, word in pairwise(["", *words]):
        flag, equals, value = word.partition("=")
        if not word:
            where = before if before.startswith("-") else f"after {before or 'aloe'}"
        elif flag.startswith("--") and equals and not value:
            where = flag
        else:
            continue
        raise ConfigError(f"{where}: the value is empty; give one, or leave it out")


def is_given(value: object) -> bool:
    """Whether the value of a flag is one that somebody gave; 0 is."""
    return not (value is None or value is False or value == [])


def refuse_unread(flags: Mapping[str, object], where: str) -> None:
    """Make sure that no flag was given that a command would not read.

    Args:
        flags: values by name.
        where: beside or without which other flag they would not be read.

    Raises:
        ConfigError: naming those that were given.
    """
    if given := [name for name, value in flags.items() if is_given(value)]:
        them = "it" if len(given) == 1 else "them"
        raise ConfigError(f"{', '.join(given)} would not be read {where}; leave {them} out")


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command a flag for each field of the dataclass that it takes as its first argument.

    Flags that have to be given come first, then the command's own parameters, then the others.
    """
    options, *own = signature(command).parameters.values()
    shared = signature(options.annotation).parameters.values()
    needed = [each for each in shared if each.default is Parameter.empty]
    others = [each for each in shared if each.default is not Parameter.empty]

    def run(**given: Any) -> None:
        mine = {each.name: given.pop(each.name) for each in own}
        command(options.annotation(**given), **mine)

    flags = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (*needed, *own, *others)]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {each.name: each.annotation for each in flags}
    run.__signature__ = Signature(flags)  # type: ignore[attr-defined]
    return run
