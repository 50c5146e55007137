"""The copy of the shipped weights that is served: the same numbers, made once."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from aloe.models.requantize import ending_at, requantize


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "Small.Q4_1.gguf"
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_token_list(["a", "b"])
    kind = gguf.GGMLQuantizationType.Q4_1
    weights = rng.normal(size=(64, 96)).astype(np.float32)
    writer.add_tensor("heavy", gguf.quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("plain", weights[0])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def numbers(path: Path) -> dict[str, np.ndarray]:
    tensors = gguf.GGUFReader(path).tensors
    return {each.name: gguf.dequantize(each.data, each.tensor_type) for each in tensors}


def test_the_numbers_and_the_head_are_the_same(source: Path) -> None:
    copy = requantize(source)
    assert copy != source
    before, after = numbers(source), numbers(copy)
    assert np.array_equal(before["plain"], after["plain"])
    groups = before["heavy"].reshape(-1, 32)
    # GGUF keeps the scale of a group in half precision, which adds a little to the rounding.
    allowed = np.abs(groups).max(axis=1, keepdims=True) * (1 / 254 + 2**-10)
    assert (np.abs(after["heavy"].reshape(-1, 32) - groups) <= allowed).all()
    kinds = {each.name: each.tensor_type for each in gguf.GGUFReader(copy).tensors}
    assert kinds["heavy"] == gguf.GGMLQuantizationType.Q8_0
    fields = gguf.GGUFReader(copy).fields
    assert fields["llama.block_count"].contents() == 1
    assert fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]


def test_it_is_made_once(source: Path) -> None:
    copy = requantize(source)
    stamp = copy.stat().st_mtime_ns
    assert requantize(source) == copy
    assert copy.stat().st_mtime_ns == stamp
    assert [each.name for each in copy.parent.iterdir()] == [copy.name]


def test_without_room_for_it_the_file_is_served_as_it_is(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert requantize(source) == source


@pytest.mark.parametrize(
    ("there", "ends", "after"),
    [
        ({"eos": 1}, [1], {"eos": 1}),
        ({"eos": 1}, [2, 1], {"eos": 1, "eot": 2}),
        ({"eos": 1, "eot": 2}, [2], {"eos": 1, "eot": 2}),
        ({"eos": 1, "eot": 3}, [2, 1], {"eos": 1, "eot": 3, "eom": 2}),
        ({}, [2, 1], {"eot": 2, "eom": 1}),
        ({"eos": 1, "eot": 3, "eom": 4}, [2], {"eos": 1, "eot": 2, "eom": 4}),
    ],
)
def test_a_head_names_the_ends_it_did_not_name(there, ends, after) -> None:
    kind = gguf.GGUFValueType.UINT32
    head = [(f"tokenizer.ggml.{key}_token_id", end, kind, None) for key, end in there.items()]
    made = {key.split(".")[2].removesuffix("_token_id"): end
            for key, end, *_ in ending_at(ends, head)}  # fmt: skip
    assert made == after
