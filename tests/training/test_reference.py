"""What DPO compares with is scored once, however often the training is stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")

import builders
import tiny
import torch
from command import Ran, RunAloe
from safetensors.torch import load_file

from aloe.training.dpo import TreeDpoTrainer

pytestmark = pytest.mark.train

Train = Callable[..., Ran]
ROWS = 9


@pytest.fixture
def train(tmp_path: Path, aloe: RunAloe) -> Train:
    """Return a function that runs two steps of DPO on nine rows into a folder."""
    settings = builders.config(turns=3, expansion="both")
    trees = [builders.grow(settings, persona=persona) for persona in builders.PERSONAS[:2]]
    (tmp_path / "trees.jsonl").write_text("".join(t.model_dump_json() + "\n" for t in trees))
    (tmp_path / "c.toml").write_text("[training]\nrow_tokens = 300\n")
    base = tiny.save(tmp_path / "base")

    def train(out: Path, *more: object) -> Ran:
        return aloe("train", "dpo", "--data", tmp_path / "trees.jsonl", "--model", base,
                    "--from-base", "--out", out, "--config", tmp_path / "c.toml",
                    "--learning-rate", "1e-3", "--max-steps", "2", "--quiet", *more)  # fmt: skip

    return train


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list of hashes of the scored rows; the first time the third is interrupted."""
    rows: list[int] = []
    score = TreeDpoTrainer.score_answers

    def interrupted(self: TreeDpoTrainer, row: dict[str, torch.Tensor]) -> torch.Tensor:
        if len(rows) == 2:
            rows.append(0)
            raise KeyboardInterrupt
        rows.append(hash(row["ids"].numpy().tobytes()))
        return score(self, row)

    monkeypatch.setattr(TreeDpoTrainer, "score_answers", interrupted)
    return rows


def fail(*_: object) -> None:
    raise RuntimeError("out of memory")


def read_loss(out: Path) -> float:
    return json.loads((out / "training.json").read_text())["last"]["loss"]


def test_a_training_stopped_while_it_scores_goes_on_where_it_was(
    train: Train, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert train(tmp_path / "whole").code == 0
    scored = request.getfixturevalue("scored")
    out = tmp_path / "stopped"
    assert train(out).code == 130
    assert len(load_file(out / "checkpoints" / "reference.safetensors")) == 2
    assert train(out).code == 0
    assert len(scored) == len(set(scored)) == ROWS + 1  # each once, and the interruption
    assert read_loss(out) == pytest.approx(read_loss(tmp_path / "whole"), abs=1e-6)
    assert not list(out.rglob("reference*"))


@pytest.mark.parametrize("damage", [b"", b"\x10\0\0\0\0\0\0\0{", b"no tensors at all"])
def test_damaged_scores_are_scored_anew(
    train: Train, scored: list[int], tmp_path: Path, damage: bytes
) -> None:
    assert train(tmp_path / "out").code == 130
    (tmp_path / "out" / "checkpoints" / "reference.safetensors").write_bytes(damage)
    assert train(tmp_path / "out").code == 0
    assert len(scored) == 2 + 1 + ROWS


def test_scores_of_another_training_are_not_taken(
    train: Train, scored: list[int], tmp_path: Path
) -> None:
    assert train(tmp_path / "out").code == 130
    assert "holds another training" in train(tmp_path / "out", "--seed", 7).err
    assert len(scored) == 3


@pytest.mark.parametrize("left", [("checkpoints/.lock",), ("checkpoints/.lock", ".trial-ab/w")])
def test_a_training_killed_before_it_began_starts_in_its_folder(
    train: Train, tmp_path: Path, left: tuple[str, ...]
) -> None:
    for name in left:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).touch()
    assert train(tmp_path / "out").code == 0
    assert not list((tmp_path / "out").glob(".trial*"))


def test_an_empty_folder_of_checkpoints_is_no_obstacle(train: Train, tmp_path: Path) -> None:
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    assert train(tmp_path / "out").code == 0


@pytest.mark.parametrize("name", ["notes.txt", "checkpoints/notes.txt", "deep/down/notes.txt"])
def test_a_file_of_somebodys_is_not_trained_over(train: Train, tmp_path: Path, name: str) -> None:
    (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / name).touch()
    assert train(tmp_path / "out").is_one_line_about("is not empty and holds no training")


def test_scoring_that_fails_leaves_nothing_behind(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TreeDpoTrainer, "score_answers", fail)
    ran = train(tmp_path / "a" / "out")
    assert ran.is_one_line_about("the first step of the training failed", "out of memory")
    assert not (tmp_path / "a").exists()
    (tmp_path / "mine").mkdir()
    assert train(tmp_path / "mine").code == 2
    assert not list((tmp_path / "mine").iterdir())


def test_scores_kept_before_outlive_a_failure(
    train: Train, scored: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert train(out).code == 130
    with monkeypatch.context() as patched:
        patched.setattr(TreeDpoTrainer, "score_answers", fail)
        assert train(out).is_one_line_about("the first step of the training failed", "memory")
    assert train(out).code == 0
    assert len(scored) == ROWS + 1
