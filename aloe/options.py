"""Options that several commands share, so that they read and behave the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings; flags win over it.")
]
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
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost", metavar="DOLLARS", min=0, help="Stop when the folder has cost so much."
    ),
]
MaxCalls = Annotated[
    int | None,
    typer.Option("--max-calls", min=0, help="Stop when the folder has taken so many calls."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(
        "--max-tokens", min=0, help="Stop when the folder has taken so many tokens, both ways."
    ),
]
