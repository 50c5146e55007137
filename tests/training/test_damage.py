"""Checkpoints with any file damaged: the one before is taken, and that is said."""

import json
import os
import pickle
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import tiny
import torch

from aloe.errors import AloeError, StoreError
from aloe.models.checkpoint import load_checkpoint
from aloe.training.api import train
from aloe.training.damage import find_damage
from aloe.training.model_folder import ModelFolder

pytestmark = pytest.mark.train


class Evil:
    """Code that runs when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def rerun(folder: Path, notes: list[str] | None = None) -> dict:
    rows, base = folder / "rows.jsonl", folder / "base"
    arguments = {"save_steps": 1, "save_total_limit": 9, "max_steps": 3}
    return train(
        "sft", rows, folder / "out", model=str(base), rank=2,
        settings={"training.arguments": arguments},
        progress=lambda state: notes.extend(state.notes) if notes is not None else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train for three steps, each with its checkpoint."""
    folder = tmp_path_factory.mktemp("trained")
    tiny.save(folder / "base")
    said = [
        {"prompt": [{"role": "user", "content": f"Birds {i}?"}],
         "completion": [{"role": "assistant", "content": "Owls."}]}
        for i in range(4)
    ]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(each) + "\n" for each in said))
    rerun(folder)
    return folder


def damages(file: Path, rng: random.Random, mark: Path) -> Iterator[bytes | None]:
    """Yield what may stand in the place of a file; None: a folder."""
    data = file.read_bytes()
    yield from (b"", data[: rng.randrange(len(data))], data[:-2], b"\xff\xfe{]" + data[4:], None)
    if file.suffix in (".pt", ".pth"):
        torch.save({"state": Evil(mark)}, mark.with_suffix(".zip"))
        yield mark.with_suffix(".zip").read_bytes()
        yield pickle.dumps({"state": Evil(mark)}, 2)
    if file.name == "trainer_state.json":
        yield from (b"{}", b"[]", b"null", b"[" * 5000)
        for name, value in json.loads(data).items():
            if value is not None:
                yield json.dumps(json.loads(data) | {name: rng.choice(([3], "x", [[]]))}).encode()


READ = ("adapter_model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt",
        "trainer_state.json", "adapter_config.json")  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_the_checkpoint_before_a_damaged_one_is_taken(
    trained: Path, tmp_path: Path, name: str
) -> None:
    rng, mark, accepted = random.Random(0), tmp_path / "ran", []
    whole = trained / "out" / "checkpoints"
    for data in damages(whole / "checkpoint-3" / name, rng, mark):
        folder, notes = ModelFolder(tmp_path / "out"), []
        shutil.rmtree(folder.path, ignore_errors=True)
        shutil.copytree(whole, folder.checkpoints, copy_function=os.link)
        file = folder.checkpoints / "checkpoint-3" / name
        file.unlink()
        file.mkdir() if data is None else file.write_bytes(data)
        found = folder.newest_checkpoint(notes.append)
        if found is None or found.name != "checkpoint-2":
            accepted.append((data or b"")[:80])
            continue
        assert len(notes) == 1
        assert notes[0].startswith(f"checkpoint-3 was left incomplete ({name} ")
        assert notes[0].endswith("and is removed; going on from checkpoint-2")
    assert not accepted
    assert not mark.exists()


def test_without_a_whole_one_the_training_begins_anew(trained: Path, tmp_path: Path) -> None:
    folder, notes = ModelFolder(tmp_path / "out"), []
    shutil.copytree(trained / "out" / "checkpoints", folder.checkpoints)
    (folder.checkpoints / "checkpoint-new").mkdir()  # somebody's, and left alone
    for checkpoint in folder.checkpoints.glob("checkpoint-?"):
        (checkpoint / "scheduler.pt").write_bytes(b"")
    assert folder.newest_checkpoint(notes.append) is None
    assert [note.rpartition("; ")[2] for note in notes] == ["starting anew"] * 3
    assert [each.name for each in folder.checkpoints.glob("c*")] == ["checkpoint-new"]


WHOLE = ("adapter_model.safetensors", "optimizer.pt", "rng_state.pth", "scheduler.pt")


@pytest.mark.parametrize("name", WHOLE)
def test_a_checkpoint_without_one_of_its_parts_is_damaged(
    trained: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint-3"
    shutil.copytree(trained / "out" / "checkpoints" / "checkpoint-3", checkpoint)
    assert find_damage(checkpoint) is None
    (checkpoint / name).unlink()
    missing = "the file of its weights" if name == WHOLE[0] else name
    assert find_damage(checkpoint) == f"{missing} is missing"
    (checkpoint / "global_step3").mkdir()  # DeepSpeed's
    assert find_damage(checkpoint) is None
    (checkpoint / "global_step3").rmdir()
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert find_damage(checkpoint) is None


def test_a_checkpoint_in_several_files_or_of_several_processes_is_whole_with_all_of_them(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint-3"
    shutil.copytree(trained / "out" / "checkpoints" / "checkpoint-3", checkpoint)
    index = checkpoint / "model.safetensors.index.json"
    (checkpoint / WHOLE[0]).rename(checkpoint / "part-1.safetensors")
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors"}}))
    assert find_damage(checkpoint) is None
    monkeypatch.setenv("WORLD_SIZE", "2")
    (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    assert find_damage(checkpoint) == "rng_state_1.pth is missing"
    shutil.copy(checkpoint / "rng_state_0.pth", checkpoint / "rng_state_1.pth")
    assert find_damage(checkpoint) is None
    index.write_text(json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2"}}))
    assert find_damage(checkpoint) == f"{index.name} cannot be read"


def test_the_training_ends_as_if_nothing_had_been_damaged(trained: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "again"))
    whole = json.loads((folder / "out" / "training.json").read_text())
    begun = {name: value for name, value in whole.items() if name != "finished"}
    begun["start"] = str(folder / "base")
    begun["settings"]["model"] = str(folder / "base")
    (folder / "out" / "training.json").write_text(json.dumps(begun))
    optimizer = folder / "out" / "checkpoints" / "checkpoint-3" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:-100])
    notes: list[str] = []
    done = rerun(folder, notes)
    assert done["last"]["loss"] == pytest.approx(whole["last"]["loss"], abs=1e-6)
    assert "going on from checkpoint-2" in notes[0]


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin"])
def test_a_pickle_of_weights_runs_nothing_and_is_one_line(
    trained: Path, tmp_path: Path, name: str
) -> None:
    kind = "base" if name.startswith("pytorch") else "out"
    folder = Path(shutil.copytree(trained / kind, tmp_path / "x"))
    for file in folder.glob("*.safetensors"):
        file.unlink()
    torch.save({"weight": Evil(tmp_path / "ran")}, folder / name)
    with pytest.raises(
        AloeError, match="holds code instead of weights; use safetensors"
    ) as refused:
        load_checkpoint(str(folder))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_two_trainings_do_not_share_a_folder(trained: Path) -> None:
    with ModelFolder(trained / "out").locked(), pytest.raises(StoreError, match="is in use by"):
        rerun(trained)
