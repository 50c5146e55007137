from pathlib import Path

import gguf
import numpy as np
import pytest

from aloe.models.gguf_header import read_header, read_tensor_types
from aloe.models.gguf_reader import open_reader, shared_reader


@pytest.fixture
def file(tmp_path: Path) -> Path:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_uint32("a.number", 7)
    writer.add_float64("a.real", 0.25)
    writer.add_bool("a.flag", True)
    writer.add_string("a.text", "Grüße <|im_end|>")
    writer.add_array("a.words", ["<s>", "", "▁B"])
    writer.add_array("a.kinds", [3, 4, 1])
    writer.add_tensor("t", np.zeros(4, dtype=np.float32))
    writer.add_tensor("blk.0.wide", np.zeros((2, 3, 4), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tmp_path / "m.gguf"


def test_every_kind_of_value_is_read_as_the_gguf_package_reads_it(file: Path) -> None:
    head = read_header(file)
    theirs = gguf.GGUFReader(file).fields
    assert set(head) == {key for key in theirs if not key.startswith("GGUF.")}
    for key, value in head.items():
        assert (list(value) if isinstance(value, tuple) else value) == theirs[key].contents(), key
    assert head["a.words"] == ["<s>", "", "▁B"]


def test_types_of_tensors_are_read_as_the_gguf_package_reads_them(file: Path) -> None:
    theirs = {each.name: each.tensor_type for each in gguf.GGUFReader(file).tensors}
    assert read_tensor_types(file) == theirs == {"t": 0, "blk.0.wide": 1}


@pytest.mark.parametrize("cut", [0, 3, 30, 150])
def test_a_file_that_was_cut_off_is_refused(file: Path, cut: int) -> None:
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ValueError, match="not a readable GGUF file"):
        read_header(file)
    with pytest.raises(ValueError, match="not a readable GGUF file"):
        read_tensor_types(file)


def test_the_fast_reader_reads_what_the_gguf_package_reads(file: Path) -> None:
    ours, theirs = open_reader(file), gguf.GGUFReader(file)
    assert ours.fields.keys() == theirs.fields.keys()
    for key, field in theirs.fields.items():
        assert ours.fields[key].contents() == field.contents(), key
        assert ours.fields[key].types == field.types, key
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        assert (mine.name, mine.tensor_type) == (other.name, other.tensor_type)
        assert np.array_equal(mine.data, other.data)
        assert type(mine.data) is np.ndarray


def test_while_a_model_loads_its_file_is_opened_once(file: Path) -> None:
    before = gguf.GGUFReader
    with shared_reader():
        assert gguf.GGUFReader(str(file)) is gguf.GGUFReader(str(file))
        with pytest.raises(FileNotFoundError):
            gguf.GGUFReader(str(file.with_name("none.gguf")))
    assert gguf.GGUFReader is before
