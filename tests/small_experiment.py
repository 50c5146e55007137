"""An experiment in small: its settings, and its commands in this process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from aloe.config import Config, validate


def settings(folder: Path, model: Path, *, judge: str = "judge", **experiment: Any) -> Config:
    """Return settings whose models are scripted and whose trainings take two steps."""
    scripted = [
        {"name": name, "model": "scripted:taught:assistant", "hint": name == "hinted"}
        for name in ("plain", "hinted")
    ]
    raw = {
        "models": {"assistants": scripted, "judge": f"scripted:taught:{judge}"},
        "simulation": {"trees": 8, "turns": 2},
        "training": {
            "model": str(model),
            "rank": 2,
            "arguments": {"max_steps": 2, "gradient_accumulation_steps": 1},
        },
        "benchmark": {"candidate": "scripted:taught:base", "seeds": 1},
        "experiment": {
            "train": 8,
            "validation": 2,
            "test": 10,
            "dialogue_turns": 4,
            "served": "scripted:taught:{name}",
            "merged": True,
            "dpo_trees": 6,
            "rl_trees": 4,
            "rl_candidates": 2,
            "stranger": "hinted",
            "ablation_trees": [4],
            "ablation_turns": [1],
            **experiment,
        },
    }
    return validate(Config, raw, source="test")


def run_command(arguments: Sequence[str]) -> None:
    """Run a command of the program."""
    from aloe.cli import app

    code = typer.main.get_command(app).main(list(arguments), standalone_mode=False)
    assert not code, arguments
