"""Folders that hold no whole model: one line each, before anything is written."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

import tiny

from aloe.config import ModelConfig, TrainingConfig
from aloe.errors import AloeError, ConfigError, ModelError
from aloe.models.checkpoint import load_checkpoint
from aloe.models.local import embedded_server
from aloe.models.open import open_model
from aloe.training.merge import merge
from aloe.training.start import load_start

pytestmark = pytest.mark.train

WHOLE_WITHOUT = {"generation_config.json", "tokenizer_config.json"}
"""Files whose settings have defaults."""
ROWS = {
    "prompt": [{"role": "user", "content": "Birds?"}],
    "chosen": [{"role": "assistant", "content": "Owls."}],
    "rejected": [{"role": "assistant", "content": "No."}],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint, one in shards, and an adapter on the first."""
    folder = tmp_path_factory.mktemp("whole")
    tiny.save(folder / "base")
    tiny.save(folder / "shards")
    (folder / "shards" / "model.safetensors").unlink()
    tiny.model().save_pretrained(folder / "shards", max_shard_size="60KB")
    start = load_start(str(folder / "base"), TrainingConfig(rank=2))
    start.model.save_pretrained(folder / "adapter")
    start.tokenizer.save_pretrained(folder / "adapter")
    start.model.generation_config.to_json_file(folder / "adapter" / "generation_config.json")
    return folder


def damaged(file: Path) -> Iterator[tuple[str, bytes | None]]:
    """Yield what may be left of a file; None: nothing."""
    data = file.read_bytes()
    yield "emptied", b""
    for share in (0.02, 0.3, 0.6, 0.99):
        yield f"cut at {share}", data[: int(len(data) * share)]
    yield "garbled", b"\xff\xfe{]" + data[4:]
    if file.suffix == ".json":
        yield "a list", b"[]"
        yield "null", b"null"
    if file.name not in WHOLE_WITHOUT:
        yield "deleted", None
        if file.suffix == ".json":
            yield "an empty object", b"{}"


@pytest.mark.parametrize("kind", ["base", "shards", "adapter"])
def test_a_folder_with_any_file_damaged_is_refused_in_one_line(whole, tmp_path, kind):
    accepted, crooked = [], []
    for file in sorted((whole / kind).iterdir()):
        if file.name == "README.md":
            continue
        for what, data in damaged(file):
            broken = tmp_path / "broken"
            shutil.rmtree(broken, ignore_errors=True)
            shutil.copytree(whole / kind, broken)
            (broken / file.name).unlink() if data is None else (broken / file.name).write_bytes(
                data
            )
            try:
                load_start(str(broken), TrainingConfig())
            except AloeError as error:
                if "\n" in str(error) or not str(error).strip():
                    crooked.append((file.name, what, str(error)))
            else:
                accepted.append((file.name, what))
    assert not accepted
    assert not crooked


CONFIGS = {
    "dtype": {"dtype": "float99"},
    "architecture": {"model_type": "martian"},
    "no language model": {"model_type": "t5"},
    "more layers": {"num_hidden_layers": 3},
    "fewer layers": {"num_hidden_layers": 1},
    "larger vocabulary": {"vocab_size": 500},
    "a size that is no number": {"hidden_size": "wide"},
    "no heads": {"num_attention_heads": 0},
    "bias": {"attention_bias": True},
    "untied": {"tie_word_embeddings": False},
    "positions": {"rope_parameters": {"rope_type": "wrong", "rope_theta": 1e4}},
    "activation": {"hidden_act": "none"},
    "code of its own": {"model_type": "x", "auto_map": {"AutoConfig": "configuration_x.Config"}},
}


def changed(whole: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(whole / "base", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_config_that_does_not_fit_the_weights_is_refused(whole, tmp_path, kind):
    folder = changed(whole, tmp_path / "x", **CONFIGS[kind])
    with pytest.raises(ModelError, match=str(folder)):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("method", ["bitsandbytes", "gptq", "awq", "fp8", "compressed-tensors"])
def test_a_quantised_checkpoint_is_not_trained(whole, tmp_path, method):
    folder = changed(whole, tmp_path / "x", quantization_config={"quant_method": method})
    with pytest.raises(ConfigError, match=rf"is quantised \({method}\)"):
        load_start(str(folder), TrainingConfig())


def test_weights_that_the_model_has_no_place_for_are_named(whole, tmp_path):
    tiny.model(attention_bias=True).save_pretrained(tmp_path / "x")
    folder = changed(whole, tmp_path / "y")
    shutil.copy(tmp_path / "x" / "model.safetensors", folder)
    with pytest.raises(
        ModelError, match=r"do not belong .*: model\.layers\.0\.self_attn\.k_proj\.bias"
    ):
        load_checkpoint(str(folder))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"base_model_name_or_path": "/nowhere/base"}, "the base of .* there is no model"),
        ({"base_model_name_or_path": None}, "does not name the base"),
        ({"r": 8}, "does not fit its base model"),
        ({"target_modules": ["nope"]}, "does not fit its base model"),
        ({"peft_type": "MAGIC"}, "does not fit its base model"),
    ],
)
def test_an_adapter_that_fits_no_base_is_refused(whole, tmp_path, change, problem):
    shutil.copytree(whole / "adapter", tmp_path / "x")
    file = tmp_path / "x" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(AloeError, match=problem):
        load_checkpoint(str(tmp_path / "x"))
    with pytest.raises(AloeError):
        merge(tmp_path / "x", tmp_path / "merged")
    assert not list(tmp_path.glob("merged*"))


def test_an_adapter_of_a_deeper_model_is_refused(whole, tmp_path):
    tiny.model(num_hidden_layers=1).save_pretrained(tmp_path / "one")
    shutil.copytree(whole / "adapter", tmp_path / "x")
    file = tmp_path / "x" / "adapter_config.json"
    config = json.loads(file.read_text()) | {"base_model_name_or_path": str(tmp_path / "one")}
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"does not fit its base.*layers\.1\."):
        load_checkpoint(str(tmp_path / "x"))


DAMAGE = {
    "model.safetensors": 900,
    "tokenizer.json": None,
    "config.json": 40,
    "tokenizer_config.json": 20,
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("more", [["sft"], ["dpo", "--from-base", "--no-tree-packing"]])
def test_the_command_line_says_so_and_writes_nothing(aloe, whole, tmp_path, name, more):
    shutil.copytree(whole / "base", tmp_path / "x")
    file = tmp_path / "x" / name
    kept = DAMAGE[name]
    file.unlink() if kept is None else file.write_bytes(file.read_bytes()[:kept])
    row = {**ROWS, "completion": ROWS["chosen"]}
    columns = ("prompt", "completion") if more[0] == "sft" else tuple(ROWS)
    (tmp_path / "rows.jsonl").write_text(json.dumps({key: row[key] for key in columns}) + "\n")
    ran = aloe("train", *more, "--data", tmp_path / "rows.jsonl", "--model", tmp_path / "x",
               "--out", tmp_path / "out", "--quiet")  # fmt: skip
    assert ran.is_one_line_about(str(tmp_path / "x"))
    assert not (tmp_path / "out").exists()


def test_talking_to_a_broken_model_is_one_line_too(whole, tmp_path):
    for kind, file in (("base", "model.safetensors"), ("adapter", "adapter_config.json")):
        folder = tmp_path / kind
        shutil.copytree(whole / kind, folder)
        (folder / file).write_bytes(b"{")
        with pytest.raises(AloeError, match=str(folder)):
            open_model(ModelConfig(model=f"hf:{folder}"))
    (tmp_path / "adapter" / "adapter.gguf").touch()
    with pytest.raises(AloeError, match="does not name the base"):
        embedded_server(str(tmp_path / "adapter"))
    for data in (b"", b"GGUF", b"GGUF\x03\x00\x00\x00" + b"\xff" * 64):
        (tmp_path / "x.gguf").write_bytes(data)
        for model in (f"hf:{tmp_path / 'x.gguf'}", f"local:{tmp_path / 'x.gguf'}"):
            with pytest.raises(AloeError, match=r"x\.gguf"):
                open_model(ModelConfig(model=model))
