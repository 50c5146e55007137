"""What the tests of the experiment share."""

from pathlib import Path
from typing import Any

import pytest
from small_experiment import run_command, settings


@pytest.fixture(autouse=True)
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the check of what was said: half the time, and no figure of an experiment."""
    from aloe.memory.disclosures import DisclosureChecker

    def check(_self: Any, _p: Any, _t: Any, _path: Any, user: Any, replies: Any, **_: Any) -> Any:
        return user, [*replies]

    monkeypatch.setattr(DisclosureChecker, "check", check)


@pytest.fixture
def ran_experiment(aloe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command, with its commands in this process."""
    import tiny

    monkeypatch.setattr(
        "aloe.benchmark.experiment.processes.make_command_runner", lambda lock, quiet: run_command
    )
    model = tiny.save(tmp_path / "tiny")

    def ran(out: Path, *options: str, **experiment: Any) -> Any:
        file = out.with_suffix(".toml")
        file.write_text(settings(tmp_path, model, **experiment).toml(), encoding="utf-8")
        return aloe("experiment", "--json", "--config", file, "--out", out, *options)

    return ran
