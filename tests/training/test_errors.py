"""Whatever a library raises is one line, also where it says nothing."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from aloe.config import TrainingConfig
from aloe.errors import ConfigError
from aloe.training import arguments

pytestmark = pytest.mark.train


@pytest.mark.parametrize("raised", [ValueError(), TypeError("\n"), ValueError("no\nmore")])
def test_arguments_that_trl_refuses_without_a_word_are_refused_in_one_line(
    raised: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise raised

    monkeypatch.setattr(arguments.find_config_class("sft"), "__post_init__", refuse)
    with pytest.raises(ConfigError, match=r"^training\.arguments: [\w ]+$"):
        arguments.make_arguments("sft", TrainingConfig(), checkpoints=tmp_path, seed=0, packed=True)
