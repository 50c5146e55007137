from pathlib import Path

import pytest

from aloe import errors


def test_every_error_for_a_person_has_one_base() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    kinds = [kind for kind in kinds if issubclass(kind, Exception)]
    assert len(kinds) == 10
    assert all(issubclass(kind, errors.AloeError) for kind in kinds)


@pytest.mark.parametrize("kind", [errors.ConfigError, errors.ModelError, errors.StoreError])
def test_what_stops_a_run_is_not_taken_for_one_failed_call(kind: type[Exception]) -> None:
    assert not issubclass(kind, errors.CallError)


def test_an_input_error_names_file_and_line() -> None:
    assert str(errors.InputError(Path("a/b"), "is broken", line=3)) == "a/b:3: is broken"
    assert str(errors.InputError(Path("a/b"), "is broken")) == "a/b: is broken"
