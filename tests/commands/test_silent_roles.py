"""Empty replies of roles among the assistants are told as those of models are."""

import sys
from pathlib import Path

import pytest
from command import RunAloe

OWN = '''
from aloe.agents.roles import Update
from aloe.agents.scripted import reply


def mute(exchange, model):
    return "" if exchange.turn == 1 else "Oil the chain, and check the brakes."


class Asks:
    prompt = """
## user
Be quiet."""

    async def __call__(self, exchange, model):
        return await model.ask()


def answers(messages, arguments):
    return "" if messages[0].text == "Be quiet." else reply(messages, arguments)
'''


@pytest.mark.parametrize("workers", [1, 2])
def test_empty_replies_of_roles_are_among_the_troubles(
    aloe: RunAloe,
    personas_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    name = f"own_silent_{workers}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "c.toml").write_text(
        "".join(
            f'[roles.{role}]\nuse = "{name}:{use}"\namong = "assistants"\n'
            for role, use in (("still", "mute"), ("asks", "Asks"))
        )
        + f"[simulation]\nworkers = {workers}\n"
    )
    simulate = (
        "simulate", "--personas", personas_file, "--trees", 2, "--turns", 2, "--config", "c.toml",
        "--model", f"scripted:{name}:answers", "--out", tmp_path / "run", "--json",
    )  # fmt: skip
    ran = aloe(*simulate)
    assert ran.code == 0, ran.err
    empty = {key: n for key, n in ran.result["outcomes"].items() if key.endswith(":empty")}
    assert empty == {"still:empty": 2, "asks:empty": 4}  # the latter by call and by reply
