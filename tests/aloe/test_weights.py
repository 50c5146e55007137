"""A model that was replaced in its place is seen, and a copy of it is the same model."""

import json
import shutil
from pathlib import Path

import pytest

from aloe.config import ModelConfig
from aloe.errors import ConfigError
from aloe.models.weights import BLOCK, BLOCKS, hash_models, hash_weights


def folder(path: Path, byte: bytes = b"a") -> Path:
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_bytes(byte * 1000)
    return path


def test_weights_that_change_change_the_hash_and_a_copy_does_not(tmp_path: Path) -> None:
    model = folder(tmp_path / "model")
    before = hash_weights(f"hf:{model}")
    assert before == hash_weights(f"hf:{shutil.copytree(model, tmp_path / 'copy')}")
    (model / "training.json").write_text("{}")
    (model / "model.gguf").write_bytes(b"made of it later, and not read by hf:")
    assert hash_weights(f"hf:{model}") == before
    (model / "model.safetensors").write_bytes(b"b" * 1000)
    assert hash_weights(f"hf:{model}") != before
    assert hash_weights(f"local:{model}") not in (None, before)


def test_a_large_file_is_sampled_from_end_to_end(tmp_path: Path) -> None:
    file, size = tmp_path / "m.gguf", 3 * BLOCK * BLOCKS + 7
    found = set()
    for changed in (range(0), range(1), range(size - 1, size), range(0, size, BLOCK)):
        content = bytearray(size)
        for at in changed:
            content[at] = 1
        file.write_bytes(content)
        found.add(hash_weights(f"local:{file}"))
    assert len(found) == 4


def test_an_adapter_changes_with_its_base(tmp_path: Path) -> None:
    base, adapter = folder(tmp_path / "base"), folder(tmp_path / "adapter")
    named = {"base_model_name_or_path": str(base)}
    (adapter / "adapter_config.json").write_text(json.dumps(named))
    before = hash_weights(f"hf:{adapter}")
    (base / "model.safetensors").write_bytes(b"b" * 1000)
    assert hash_weights(f"hf:{adapter}") != before
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not name the base"):
        hash_weights(f"hf:{adapter}")


def test_what_has_no_files_here_has_no_hash(tmp_path: Path) -> None:
    model = folder(tmp_path / "model")
    names = ("openai:x@http://h/v1", "local:smollm2-135m", "hf:org/name", f"hf:{model}")
    assert list(hash_models(ModelConfig(model=name) for name in names)) == [f"hf:{model}"]
