"""A copy is for speed: what keeps it from being made stops nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aloe.errors import ModelError
from aloe.files.cache import keep_copy


def by_python(path: Path) -> None:
    path.write_bytes(b"")


def by_safetensors(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, dtype=np.float32)}, path)


def by_tokenizers(path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE()).save(str(path))


def by_gguf(path: Path) -> None:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    writer.write_header_to_file()
    writer.close()


@pytest.mark.parametrize("make", [by_python, by_safetensors, by_tokenizers, by_gguf])
def test_whatever_class_of_error_a_library_has_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert keep_copy("kept", make) == tmp_path / "aloe" / "kept"
    assert keep_copy("not", lambda path: make(path / "no" / "folder")) is None
    assert [each.name for each in (tmp_path / "aloe").iterdir()] == ["kept"]


def test_what_is_wrong_with_the_source_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def make(_: Path) -> None:
        raise ModelError("is no model")

    with pytest.raises(ModelError, match="is no model"):
        keep_copy("kept", make)
